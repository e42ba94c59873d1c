"""When a transaction that stays open is told of: after ten seconds at the same offset, and not again at once."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from workers.consuming.open_transactions import OpenTransactions, Sight, _seen
from workers.runtime.roles import Role

_HERE, _THERE = TopicPartition("billing.admin-commands", 3), TopicPartition("billing.admin-commands", 4)


def _told(*sights: tuple[float, Sight | None], partition: TopicPartition = _HERE) -> list[tuple[int, int, int]]:
    watching = OpenTransactions(Role.ADMIN_COMMANDS, "kafka:9092")
    with capture_logs() as logged:
        for now, sight in sights:
            watching.judge(partition, sight, now)
            watching.judge(_THERE, Sight(0, 0), now)
    for line in logged:
        assert (line["event"], line["log_level"]) == ("transaction_left_open", "warning")
        assert line["partition"] == "billing.admin-commands/3"
        assert line["why"].endswith("describe-producers --topic billing.admin-commands --partition 3")
    return [(line["offset"], line["waiting"], line["seconds"]) for line in logged]


def test_a_transaction_that_stays_open_is_told_of() -> None:
    assert _told((0, Sight(7, 8)), (9, Sight(7, 9)), (10, Sight(7, 12))) == [(7, 5, 10)]


def test_a_transaction_that_ends_in_time_is_not() -> None:
    assert _told((0, Sight(7, 8)), (9, Sight(8, 8)), (20, Sight(8, 8))) == []


def test_short_transactions_one_after_the_other_are_not() -> None:
    assert _told(*((second, Sight(second, second + 1)) for second in range(60))) == []


def test_it_is_told_of_again_every_five_minutes() -> None:
    told = _told(*((second, Sight(7, 9)) for second in range(400)))
    assert told == [(7, 2, 10), (7, 2, 310)]


def test_the_next_open_transaction_is_told_of_too() -> None:
    first = [(second, Sight(7, 9)) for second in range(12)]
    second = [(second, Sight(20, 21)) for second in range(12, 30)]
    assert _told(*first, *second) == [(7, 2, 10), (20, 1, 10)]


def test_a_partition_that_is_not_fetched_is_held_by_nobody_else() -> None:
    assert _told((0, Sight(7, 9)), (5, None), (11, Sight(7, 9)), (20, Sight(7, 9))) == []


def test_since_when_a_partition_is_held_up() -> None:
    watching = OpenTransactions(Role.ADMIN_COMMANDS, "kafka:9092")
    found = []
    for now, sight in ((5, Sight(7, 9)), (8, Sight(7, 9)), (9, Sight(8, 9)), (11, Sight(9, 9))):
        watching.judge(_HERE, sight, now)
        found.append((watching.held_since(_HERE), watching.held_since(_THERE)))
    assert found == [(5, None), (5, None), (9, None), (None, None)]


class _Consumer:
    """A consumer whose last fetch said this."""

    def __init__(self, stable: int | None, end: int | None, fetched_at: int | None) -> None:
        self._said = stable, end, fetched_at

    def last_stable_offset(self, _: TopicPartition) -> int | None:
        return self._said[0]

    def highwater(self, _: TopicPartition) -> int | None:
        return self._said[1]

    def last_poll_timestamp(self, _: TopicPartition) -> int | None:
        return self._said[2]


@pytest.mark.parametrize(
    ("said", "sight"),
    (
        ((7, 9, 995_000), Sight(7, 9)),
        ((0, 0, 1_000_000), Sight(0, 0)),
        ((7, 9, 994_999), None),
        ((None, 9, 1_000_000), None),
        ((7, None, 1_000_000), None),
        ((7, 9, None), None),
    ),
)
def test_only_what_was_fetched_just_now_counts(said: Any, sight: Sight | None) -> None:
    consumer: Any = _Consumer(*said)
    assert _seen(consumer, _HERE, 1000) == sight
    watching = OpenTransactions(Role.ADMIN_COMMANDS, "kafka:9092")
    watching.look(consumer, [_HERE, _THERE], 1000)
    assert watching.held_since(_THERE) == (1000 if sight == Sight(7, 9) else None)
