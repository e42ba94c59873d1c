"""From where a partition is read, decided from its bounds alone; tests/faults/test_offsets.py does it for real."""

import pytest
from aiokafka import TopicPartition

from workers.consuming.start_positions import Bounds, Start, TopicWentBack, start_of

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
