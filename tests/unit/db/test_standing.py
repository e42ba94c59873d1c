"""What became of a dead letter, and which are meant, without a database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from db.dead_letters import LARGEST_NUMBER, Choice, KeptDeadLetter, Standing, chosen_by, list_statement, value_of
from db.sealing import LocalKeys, seal
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
