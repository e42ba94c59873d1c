"""The parts of a batch: no transaction moves more projects than one transfer may, and each says how far it read."""

from dataclasses import replace
from typing import Any

import pytest
from aiokafka import TopicPartition

from db.reading_positions import Span
from domain.bindings import MOST_PROJECTS
from domain.messages import Due, DueKind, Message
from tests.unit.schemas.building import command, structured
from workers.batches.parts import parts_of
from workers.batches.progress import Progress, noting

_DUE = Due(DueKind.FAN_OUT, "acme", "main")
_BIND = {"organization": "acme", "project": "web", "account": "main"}
_TRANSFER = {"organization": "acme", "fromAccount": "main", "toAccount": "lab"}


def _message(offset: int = 0, name: str = "BindProject", partition: int = 0, **data: Any) -> Message:
    read = command(structured(name, data or _BIND))
    return replace(read, record=replace(read.record, topic="b.t", partition=partition, offset=offset))


def _moving(projects: int) -> Message:
    """Return a transfer of so many projects; of all, where that is none."""
    read = command(structured("TransferProjects", _TRANSFER))
    assert read.command is not None
    named = tuple(f"p{number}" for number in range(projects)) or None
    return replace(read, command=read.command.model_copy(update={"projects": named}))


_ALL, _HALF, _MORE = _moving(0), _moving(MOST_PROJECTS // 2), _moving(MOST_PROJECTS // 2 + 1)
_ONE, _OTHER = _moving(1), _message()


def test_a_transfer_moves_ten_thousand_projects_at_most() -> None:
    assert MOST_PROJECTS == 10_000, "as docs/contract.md says"


@pytest.mark.parametrize(
    ("messages", "sizes"),
    (
        ([], []),
        ([_OTHER, _DUE, _OTHER], [3]),
        ([_ALL], [1]),
        ([_OTHER, _ALL, _OTHER], [3]),
        ([_ALL, _ALL], [1, 1]),
        ([_ALL, _ONE], [1, 1]),
        ([_ONE, _ALL, _OTHER, _ONE], [1, 2, 1]),
        ([_HALF, _HALF], [2]),
        ([_HALF, _OTHER, _HALF, _ONE], [3, 1]),
        ([_HALF, _MORE], [1, 1]),
        ([_HALF, _HALF, _HALF, _HALF], [2, 2]),
    ),
)
def test_a_batch_is_divided_where_it_would_move_too_many(messages: list[Message], sizes: list[int]) -> None:
    parts = list(parts_of(messages))
    assert [message for part in parts for message in part] == messages
    assert [len(part) for part in parts] == sizes


async def test_each_partition_is_read_to_behind_its_last_record() -> None:
    first, second, unread = (TopicPartition("b.t", number) for number in range(3))
    messages = [_message(5), _DUE, _message(9), _message(3, partition=1), _message(1, partition=2)]

    def progress(**reached: int) -> dict[TopicPartition, Progress]:
        """Return how far partitions were read before these messages."""
        found = {one: Progress(one, reached[name]) for name, one in _named.items() if name in reached}
        for message in messages:
            if not isinstance(message, Due):
                place = TopicPartition(message.record.topic, message.record.partition)
                if place in found:
                    found[place].read(message.record.offset, message.record.timestamp)
        return found

    _named = {"first": first, "second": second, "unread": unread}
    async with noting(progress(first=2, second=3), messages) as spans:
        assert spans == [Span("b.t", 0, 2, 10), Span("b.t", 1, 3, 4)]
    async with noting(progress(unread=0), messages) as spans:
        assert spans == [Span("b.t", 2, 0, 2)]
    for some, what in (({"first": 2}, [_DUE]), ({}, messages)):
        async with noting(progress(**some), what) as spans:
            assert spans == []
