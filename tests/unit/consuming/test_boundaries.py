"""Whose a record is, is found as reading it whole would find it."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.parsing import read_command
from schemas.policy import OperatorPolicy
from schemas.records import Headers, Record, Unanswerable
from workers.consuming.boundaries import boundary_of

_BEGAN = datetime(2026, 7, 1, tzinfo=UTC)
_MOST = 4096
_ENVELOPE = {"specversion": "1.0", "id": "1", "source": "/s", "type": "io.milo.billing.SuspendAccount.v1"}
_BINARY: Headers = tuple((f"ce_{name}", value.encode()) for name, value in _ENVELOPE.items())


def _record(value: bytes | None, key: bytes | None = b"of-the-key", headers: Headers = ()) -> Record:
    return Record("topic", 3, 7, _BEGAN, key, headers, value)


def _boundary(value: bytes | None, key: bytes | None = b"of-the-key", headers: Headers = ()) -> str:
    return boundary_of(_record(value, key, headers), _MOST)


def _structured(data: Any, **more: Any) -> bytes:
    return json.dumps({**_ENVELOPE, **more, "data": data}).encode()


_IN_BASE64 = _structured({}, organization="other").replace(
    b'"data": {}', b'"data_base64": "%s"' % base64.b64encode(b'{"organization":"acme"}')
)


@pytest.mark.parametrize(
    ("value", "boundary"),
    (
        (_structured({"organization": "acme"}), "acme"),
        (_structured({"organization": "acme", "message": 'quotes "organization": "other"'}), "acme"),
        (_structured({"organization": "acme"}, organization="other"), "acme"),
        (_structured({"nested": {"organization": "other"}, "organization": "acme"}), "acme"),
        (_structured({}).replace(b"{}", rb'{"organizatio\u006e": "acme", "a": "organization"}'), "acme"),
        (_structured({}).replace(b"{}", rb'{"organizatio\u006e": "acme", "a": {"organization": "other"}}'), "acme"),
        (_structured({}).replace(b"{}", b'{"organization"  :\n"acme"}'), "acme"),
        (_IN_BASE64, "acme"),
        (_structured({"organization": "Not An Identifier"}), "of-the-key"),
        (_structured({}), "of-the-key"),
        (b"no json", "of-the-key"),
        (None, "of-the-key"),
    ),
)  # fmt: skip
def test_whose_a_record_is(value: bytes | None, boundary: str) -> None:
    assert _boundary(value) == boundary


def test_without_any_name_it_is_the_partitions() -> None:
    assert _boundary(b"no json", b"No Identifier") == "topic/3"


def test_in_binary_mode_the_value_is_the_data() -> None:
    assert _boundary(b'{"organization": "acme"}', headers=_BINARY) == "acme"


_STRINGS = st.sampled_from(("acme", "other", "organization", 'a"organization":"other"', "\\", "x\u00e9", ""))
_DATA = st.recursive(
    st.one_of(_STRINGS, st.none(), st.integers()),
    lambda inner: st.dictionaries(st.sampled_from(("organization", "data", "data_base64", "a")), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(("organization", "data", "data_base64", "a")), _DATA), st.booleans(), st.booleans()
)
def test_it_is_never_another_than_that_of_the_command(said: dict[str, Any], is_binary: bool, is_escaped: bool) -> None:
    value = json.dumps(said if is_binary else {**_ENVELOPE, **said}, ensure_ascii=is_escaped).encode()
    record = _record(value, headers=_BINARY if is_binary else ())
    try:
        command = read_command(record, _MOST, OperatorPolicy())
    except Unanswerable:
        return
    assert boundary_of(record, _MOST) == command.organization
