"""Whose a redriven record is: it is judged by what its dead letter keeps only if it is the very record."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from db import redriven
from db.redriven import about_asker, asker_piece, is_record_of, kept_askers, opened_asker
from db.sealing import LocalKeys, Unopenable, seal
from schemas.askers import Asker, Verified
from schemas.records import REDRIVE_HEADER, Record

_NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
_KEYS = LocalKeys({"first": b"k" * 32}, "first")
_ID = UUID(int=5)
_RECORD = Record("t", 0, 9, _NOW, b"acme", (("a", b"1"), (REDRIVE_HEADER, _ID.hex.encode()), ("b", None)), b"said")
_VERIFIED = Verified(Asker("alice", "https://issuer", ()), _NOW)


def _letter(**members: Any) -> dict[str, Any]:
    """Return the row of the dead letter that the record was redriven from, which stood at `t/0/5`."""
    sealed = seal(asker_piece(_VERIFIED), about_asker("t/0/5"), _KEYS)
    kept = {
        "redrive_id": _ID, "topic": "t", "partition": 0, "offset": 5, "sha256": hashlib.sha256(b"said").digest(),
        "size": 4, "key": b"acme", "header_names": [b"a", b"b"], "header_values": [b"1", None],
        "key_id": sealed.key_id, "wrapped_key": sealed.wrapped_key, "asker": sealed.sealed,
    }  # fmt: skip
    return kept | members


_ERASED = {"key": None, "header_names": None, "header_values": None}
_OLD = {"sha256": None}
_VALUELESS = {"sha256": None, "size": 0}


@pytest.mark.parametrize(
    ("letter", "record", "is_its_own"),
    (
        ({}, {}, True),
        ({}, {"topic": "other"}, False),
        ({}, {"value": b"other"}, False),
        ({}, {"value": None}, False),
        ({}, {"key": b"globex"}, False),
        ({}, {"headers": (("a", b"1"), ("b", b""))}, False),
        ({}, {"headers": ()}, False),
        ({}, {"headers": (("a", b"1"), ("b", None), (REDRIVE_HEADER, b"another"))}, True),
        ({"header_names": [b"a", REDRIVE_HEADER.encode(), b"b"], "header_values": [b"1", b"2", None]}, {}, True),
        (_ERASED, {"key": b"globex", "headers": ()}, True),
        (_ERASED, {"value": b"other"}, False),
        (_OLD, {"value": b"other"}, True),
        (_OLD, {"value": b"other", "key": b"globex"}, False),
        (_OLD | {"size": 1}, {"value": b"x"}, True),
        (_OLD | _ERASED, {"value": b"other", "key": b"globex"}, True),
        (_VALUELESS, {"value": None}, True),
        (_VALUELESS, {"value": b""}, False),
        (_VALUELESS, {"value": b"said"}, False),
    ),
)
def test_a_record_is_its_dead_letters_own(letter: dict[str, Any], record: dict[str, Any], is_its_own: bool) -> None:
    assert is_record_of(_letter(**letter), replace(_RECORD, **record)) is is_its_own


def test_who_asked_is_opened_where_it_was_sealed() -> None:
    assert opened_asker(_letter(), _KEYS) == _VERIFIED
    for missing in ("asker", "wrapped_key"):
        nobody = opened_asker(_letter(**{missing: None}), _KEYS)
        assert "keeps nobody who asked" in getattr(nobody, "why", "")
    with pytest.raises(Unopenable):
        opened_asker(_letter(offset=6), _KEYS)


@pytest.mark.parametrize(
    ("letter", "found"),
    (
        (_letter(), lambda asker: asker == _VERIFIED),
        (_letter(offset=6), lambda asker: "cannot be read" in asker.why),
        (_letter(redrive_id=UUID(int=6)), None),
        (_letter(key=b"globex"), None),
    ),
)
def test_only_the_record_itself_asks_as_its_dead_letter_did(
    monkeypatch: pytest.MonkeyPatch, letter: dict[str, Any], found: Callable[[Any], bool] | None
) -> None:
    async def fetch(_connection: object, _statement: object, *, ids: list[UUID]) -> list[dict[str, Any]]:
        assert ids == [_ID]
        return [letter]

    monkeypatch.setattr(redriven, "fetch", fetch)
    connection: Any = None
    askers = asyncio.run(kept_askers(connection, [replace(_RECORD, offset=8, headers=()), _RECORD], _KEYS))
    assert set(askers) == ({"t/0/9"} if found else set())
    assert found is None or found(askers["t/0/9"])
    assert asyncio.run(kept_askers(connection, [replace(_RECORD, headers=())], _KEYS)) == {}
