"""What became of a dead letter, and which are meant, without a database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from db.dead_letters import (
    LARGEST_NUMBER,
    Choice,
    KeptDeadLetter,
    Standing,
    chosen_by,
    list_statement,
    value_of,
)
from db.dead_letters import (
    _kept as kept_of,
)
from db.sealing import LocalKeys, Sealed, seal
from schemas.records import DeadLetterReason, Record

_NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_RECORD = Record("billing.projects", 0, 5, _NOW, b"acme", (), b"open")
_KEYS = LocalKeys({"first": b"k" * 32}, "first")


def _kept(
    redriven_at: datetime | None = None, discarded_at: datetime | None = None, *, is_unconfirmed: bool = False
) -> KeptDeadLetter:
    return KeptDeadLetter(
        number=1, record=_RECORD, reason=DeadLetterReason.INVALID_FACT, detail="", recorded_at=_NOW, organization=None,
        size=4, sha256=None, event_id=None, origin=None, is_kept=True, is_sealed=True,
        sealed=seal(b"sealed", "dead-letter:billing.projects/0/5", _KEYS), redriven_at=redriven_at,
        discarded_at=discarded_at, unconfirmed_id=UUID(int=1) if is_unconfirmed else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("redriven_at", "discarded_at", "standing"),
    (
        (None, None, Standing.WAITING),
        (_NOW, None, Standing.REDRIVEN),
        (None, _NOW, Standing.DISCARDED),
        (_NOW, _NOW - _TICK, Standing.REDRIVEN),
        (_NOW, _NOW, Standing.REDRIVEN),
        (_NOW, _NOW + _TICK, Standing.DISCARDED),
    ),
)
def test_what_was_done_last_counts(
    redriven_at: datetime | None, discarded_at: datetime | None, standing: Standing
) -> None:
    assert _kept(redriven_at, discarded_at).standing is standing
    assert _kept(redriven_at, discarded_at, is_unconfirmed=True).standing is Standing.WAITING


def test_a_sealed_value_is_opened_where_there_are_keys() -> None:
    assert value_of(_kept(), _KEYS) == b"sealed"
    assert value_of(_kept(), None) == b"open"


_ROW = {
    "number": 1, "topic": "t", "partition": 0, "offset": 5, "timestamp": _NOW, "key": b"acme",
    "header_names": [b"a", b"b"], "header_values": [b"1", None], "value": b"open", "reason": "InvalidFact",
    "detail": "", "recorded_at": _NOW, "organization": "acme", "size": 4, "sha256": b"s", "shard": 0, "position": 3,
    "origin": None, "is_sealed": False, "key_id": None, "wrapped_key": None, "sealed": None, "redriven_at": None,
    "discarded_at": None, "unconfirmed_id": None,
}  # fmt: skip


def test_a_dead_letter_is_read_from_its_row() -> None:
    """What was stored before its event had a place, what was erased, and what is sealed in part are read as well."""
    whole = kept_of(_ROW)
    assert (whole.record.headers, whole.event_id, whole.is_kept) == ((("a", b"1"), ("b", None)), "0-3", True)
    assert kept_of(_ROW | {"shard": None, "position": None}).event_id is None
    erased = kept_of(_ROW | {"header_names": None, "header_values": None})
    assert (erased.record.headers, erased.is_kept) == ((), False)
    assert kept_of(_ROW | {"header_names": [], "header_values": []}).is_kept
    wrapped = {"key_id": "first", "wrapped_key": b"w"}
    assert kept_of(_ROW | wrapped).sealed is None, "who asked is sealed alone"
    assert kept_of(_ROW | {"sealed": b"x"}).sealed is None, "it is erased"
    assert kept_of(_ROW | wrapped | {"sealed": b"x"}).sealed == Sealed("first", b"w", b"x")


def test_what_is_chosen_is_put_in_values_that_the_database_can_hold() -> None:
    assert LARGEST_NUMBER == 9_223_372_036_854_775_807
    assert chosen_by(Choice()) == ([], {})
    choice = Choice(
        numbers=((1, 2), (7, 2**70), (2**63, 2**64)), places=(("a", 1, 2), ("b", 3, 4)), organization="acme", since=_NOW
    )
    conditions, values = chosen_by(choice)
    assert values == {
        "organization": "acme", "since": _NOW, "firsts": [1, 7, LARGEST_NUMBER],
        "lasts": [2, LARGEST_NUMBER, LARGEST_NUMBER],
        "topics": ["a", "b"], "partitions": [1, 3], "offsets": [2, 4],
    }  # fmt: skip
    assert [":organization" in one for one in conditions] == [True, False, False, False]


def test_the_index_of_what_is_rarest_is_followed() -> None:
    conditions, _ = chosen_by(Choice(topic="t", organization="acme", reason=DeadLetterReason.TOMBSTONE))
    statement = list_statement(*conditions).text
    assert "ORDER BY organization DESC, letter.number DESC" in statement
    assert "organization = :organization" not in statement, "it would leave the server free to follow another index"
    assert "topic = :topic AND letter.reason = :reason" in statement
    by_reason = list_statement(*chosen_by(Choice(reason=DeadLetterReason.TOMBSTONE))[0]).text
    assert "(letter.reason, letter.number) < (:reason, :before) AND letter.reason >= :reason ORDER BY" in by_reason
    assert "WHERE letter.number < :before ORDER BY letter.number DESC" in list_statement().text
