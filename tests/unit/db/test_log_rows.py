"""Rows that append events to logs: how large an event may be, and what is kept beside it."""

from datetime import UTC, datetime

import pytest

from db.log import EventTooLarge, chain_rows, largest_event_bytes, row_hash
from db.shards import Head
from domain.dead_letters import Dead, dead_letter_of
from schemas.askers import Role
from schemas.asking import Asked
from schemas.events import NoticeKind, ProjectBillingNotice
from schemas.outgoing import Outgoing
from schemas.records import DeadLetterReason, Record

_NOW = datetime(2026, 7, 1, tzinfo=UTC)
_HEADS = {3: Head(7, b"before", _NOW, _NOW), 4: Head(0, b"", _NOW, _NOW)}
_ASKED = Asked("ada", "https://issuer", (Role.ACCOUNT_ADMIN,))


def _notice(length: int = 0, *, key: bytes | None = b"acme/web", asked: Asked | None = None) -> Outgoing:
    event = ProjectBillingNotice(
        organization="acme", project="web", account=None, kind=NoticeKind.PAYER_MISSING, reason="ProjectUnbound",
        message="x" * length,
    )  # fmt: skip
    return Outgoing(event=event, boundary="acme", subject="acme/web", key=key, time=_NOW, asked=asked)


def _value_of(outgoing: Outgoing) -> bytes:
    ((*_, value, _, _, _),), _ = chain_rows(_HEADS, [(3, outgoing)], "/here", _NOW)
    assert isinstance(value, bytes)
    return value


@pytest.mark.parametrize("key", (b"acme/web", None))
def test_an_event_fits_with_its_key_and_its_headers(key: bytes | None) -> None:
    """What Kafka accepts is a mebibyte unless the topic says otherwise; two kibibytes are left for headers."""
    assert {topic: largest_event_bytes(topic) for topic in ("notices", "bindings", "dead-letters")} == {
        "notices": 1_048_576, "bindings": 1_048_576, "dead-letters": 8_388_608,
    }  # fmt: skip
    most = 1_048_576 - 2_048 - len(key or b"") - len(_value_of(_notice(key=key)))
    largest = _value_of(_notice(most, key=key))
    assert len(largest) + len(key or b"") + 2_048 == 1_048_576
    with pytest.raises(EventTooLarge, match=f"an event of {len(largest) + 1} bytes does not fit into notices"):
        chain_rows(_HEADS, [(3, _notice(most + 1, key=key))], "/here", _NOW)


def test_each_row_goes_on_from_the_one_before_in_its_shard() -> None:
    record = Record("billing.projects", 0, 5, _NOW, b"acme", (), b"?")
    dead = dead_letter_of(Dead(record, DeadLetterReason.UNDECODABLE, "why", False, "acme"), _NOW)
    outgoing = [(3, _notice(1)), (4, _notice(2, asked=_ASKED)), (3, dead)]
    rows, heads = chain_rows(_HEADS, outgoing, "/here", _NOW)
    assert [row[:5] for row in rows] == [
        (3, 8, _NOW, "notices", b"acme/web"), (4, 1, _NOW, "notices", b"acme/web"),
        (3, 9, _NOW, "dead-letters", b"acme"),
    ]  # fmt: skip
    assert [b'"id":"%d-%d"' % row[:2] in row[5] for row in rows] == [True, True, True]
    assert [row[7:] for row in rows] == [("acme", None), ("acme", _ASKED.document()), (None, None)]
    first = row_hash(b"before", "notices", b"acme/web", rows[0][5])
    second = row_hash(b"", "notices", b"acme/web", rows[1][5], _ASKED.document())
    third = row_hash(first, "dead-letters", b"acme", rows[2][5])
    assert [row[6] for row in rows] == [first, second, third]
    assert heads == {3: Head(9, third, _NOW, _NOW), 4: Head(1, second, _NOW, _NOW)}
