"""Rows that are published and whose topic should still hold them: topics forget by age, and keep the last of a key."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.findings import Promise
from audit.output_topics import Missing, Published
from db.log import LogRow
from schemas.topics import OUTPUT_TOPICS, TOPIC_PLANS, Topic

_NOW = datetime(2027, 3, 1, tzinfo=UTC)
_COMPACTED = frozenset({Topic.BINDINGS, Topic.ACCOUNTS})
_DAYS = {
    Topic.BINDINGS: 7, Topic.ACCOUNTS: 7, Topic.NOTICES: 30, Topic.COMMAND_RESULTS: 7, Topic.DEAD_LETTERS: 30
}  # fmt: skip
"""For how long at least each output topic holds a record (docs/contract.md section 1)."""


def _row(position: int, topic: str = Topic.BINDINGS, key: bytes | None = b"acme/web", shard: int = 3) -> LogRow:
    return LogRow(shard, position, topic, key, b"{}", b"")


def _looked(
    *rows: tuple[LogRow, timedelta], seen: tuple[int, ...] = (), published: int = 100, closed: datetime | None = None
) -> tuple[list[str], list[str]]:
    """Return what is found of rows of some ages: at once, and in the end."""
    seen_positions = Published()
    for position in seen:
        seen_positions.add(3, position)
    missing = Missing(seen_positions, published, closed, _NOW)
    at_once = [finding for row, age in rows for finding in missing.look(row, _NOW - age)]
    in_the_end = list(missing.end())
    places = [[one.place for one in found] for found in (at_once, in_the_end)]
    promises = {one.promise for one in (*at_once, *in_the_end)}
    assert promises <= ({Promise.TOPICS} if closed is None else {Promise.WATERMARKS})
    return places[0], places[1]


def test_positions_are_seen_by_shard() -> None:
    published = Published()
    far = 8 * 5000 + 3
    assert [published.add(0, position) for position in (0, 7, 8, far, 7, far)] == [True] * 4 + [False] * 2
    assert published.add(1, 7)
    assert [position for position in (0, 1, 6, 7, 8, 9, far - 1, far, far + 10**6) if (0, position) in published] == [
        0, 7, 8, far
    ]  # fmt: skip
    assert ((1, 7) in published, (1, 8) in published, (2, 7) in published) == (True, False, False)


def test_every_output_topic_is_here() -> None:
    assert _DAYS.keys() == set(OUTPUT_TOPICS)
    assert {plan.topic for plan in TOPIC_PLANS if plan.settings.get("cleanup.policy") == "compact"} >= _COMPACTED


@pytest.mark.parametrize("topic", _DAYS)
def test_a_young_row_is_missed_at_once(topic: Topic) -> None:
    oldest = timedelta(days=_DAYS[topic], hours=-1)
    tick = timedelta(microseconds=1)
    row = _row(1, topic)
    assert _looked((row, timedelta(0))) == (["shard 3, position 1"], [])
    assert _looked((row, oldest - tick)) == (["shard 3, position 1"], [])
    assert _looked((row, oldest)) == ([], ["shard 3, position 1"] if topic in _COMPACTED else [])
    assert _looked((row, oldest), seen=(1,)) == _looked((row, timedelta(0)), seen=(1,)) == ([], [])


def test_of_the_old_ones_of_a_key_only_the_last_is_missed() -> None:
    old = timedelta(days=300)
    rows = [(_row(1), old), (_row(2, key=b"acme/app"), old), (_row(3), old)]
    assert _looked(*rows) == ([], ["shard 3, position 3", "shard 3, position 2"])
    assert _looked(*rows, seen=(3,)) == ([], ["shard 3, position 2"])
    assert _looked(*rows, seen=(2, 3)) == ([], [])
    # One that was seen is no substitute for a later one.
    assert _looked(*rows, seen=(1, 2)) == ([], ["shard 3, position 3"])
    other = (_row(4, Topic.ACCOUNTS), old)
    assert _looked(*rows, other, seen=(2, 3)) == ([], ["shard 3, position 4"])


def test_what_is_not_published_yet_is_not_missed_but_must_not_be_closed() -> None:
    age = timedelta(hours=1)
    assert _looked((_row(101), age)) == ([], [])
    assert _looked((_row(100), age)) == (["shard 3, position 100"], [])
    tick = timedelta(microseconds=1)
    assert _looked((_row(101), age), closed=_NOW - age - tick) == ([], [])
    assert _looked((_row(101), age), closed=_NOW - age) == (["shard 3, position 101"], [])
