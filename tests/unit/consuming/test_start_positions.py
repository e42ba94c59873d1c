"""From where a partition is read, decided from its bounds alone; tests/faults/test_offsets.py does it for real."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from db.engine import create_engine
from workers.consuming.open_transactions import OpenTransactions
from workers.consuming.start_positions import Bounds, Reading, Start, TopicWentBack, start_of
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_PLACE = TopicPartition("topic", 0)


@pytest.mark.parametrize(
    ("bounds", "start"),
    (
        (Bounds(0, 0, None, None), Start(0, 0, 0)),
        (Bounds(5, 9, None, None), Start(5, 5, 0)),
        (Bounds(5, 9, None, 9), Start(5, 5, 0)),
        (Bounds(5, 9, 7, 7), Start(7, 7, 0)),
        (Bounds(5, 9, 7, 9), Start(7, 7, 0)),
        (Bounds(5, 9, 7, 6), Start(6, 7, 0)),
        (Bounds(5, 9, 7, 2), Start(5, 7, 0)),
        (Bounds(5, 9, 7, None), Start(5, 7, 0)),
        (Bounds(5, 9, 2, 2), Start(5, 5, 3)),
        (Bounds(5, 9, 2, 8), Start(5, 5, 3)),
        (Bounds(9, 9, 9, 9), Start(9, 9, 0)),
    ),
)
def test_from_where_to_read(bounds: Bounds, start: Start) -> None:
    assert start_of(_PLACE, bounds) == start


def test_what_ends_before_it_was_read_is_refused() -> None:
    with pytest.raises(TopicWentBack, match="topic/0 ends at offset 9, but was read up to 10"):
        start_of(_PLACE, Bounds(5, 9, 10, None))


_LOST = {"event": "records_lost", "log_level": "error", "role": Role.PROJECTS, "partition": "topic/0"}
_AHEAD = {"event": "group_ahead_of_database", "log_level": "warning", "role": Role.PROJECTS, "partition": "topic/0"}


@pytest.mark.parametrize(
    ("bounds", "lost", "said"),
    (
        (Bounds(5, 9, None, None), 0, []),
        (Bounds(5, 9, 7, None), 0, []),
        (Bounds(5, 9, 7, 7), 0, []),
        (Bounds(5, 9, 7, 6), 0, []),
        (Bounds(5, 9, 5, 5), 0, []),
        (Bounds(5, 9, 7, 8), 0, [{**_AHEAD, "acknowledged": 8, "read_from": 7}]),
        (Bounds(5, 9, 4, 4), 1, [{**_LOST, "first": 4, "last": 4, "records": 1}]),
        (
            Bounds(5, 9, 2, 6),
            3,
            [{**_LOST, "first": 2, "last": 4, "records": 3}, {**_AHEAD, "acknowledged": 6, "read_from": 5}],
        ),
    ),
)
async def test_what_is_told_of_where_reading_begins(bounds: Bounds, lost: int, said: list[dict[str, Any]]) -> None:
    nothing: Any = None
    metrics = Metrics()
    reading = Reading(
        role=Role.PROJECTS,
        topic="topic",
        engine=create_engine(Settings().database_url),
        metrics=metrics,
        open_transactions=OpenTransactions(Role.PROJECTS, "kafka:1"),
        stopping=asyncio.Event(),
        strategy=nothing,
        acknowledge=nothing,
        fail=nothing,
    )
    with capture_logs() as logged:
        reading._tell(_PLACE, bounds, start_of(_PLACE, bounds))
    assert [{name: one for name, one in line.items() if name != "why"} for line in logged] == said
    assert metrics.registry.get_sample_value("whopays_records_lost_total", {"role": Role.PROJECTS}) == lost
