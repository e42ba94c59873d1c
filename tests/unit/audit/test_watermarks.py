"""Watermarks beside the events: none falls, none closes what is to come, and events stand where they say."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import orjson
import pytest
from aiokafka import ConsumerRecord

from audit.findings import Promise
from audit.watermarks import WatermarksAudit, not_closed
from schemas.watermarks import WATERMARK_KEY, Watermark
from workers.publishing.positions import Kept, LastWatermark

_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True)
class _Record:
    """A record of the topic, as far as it is looked at."""

    value: bytes | None
    offset: int = 0
    key: bytes | None = WATERMARK_KEY
    topic: str = "billing.watermarks"
    partition: int = 0


def _at(minute: float) -> datetime:
    return _NOON + timedelta(minutes=minute)


def _watermark(minute: float, *offsets: int) -> Watermark:
    return Watermark(closed_until=_at(minute), offsets=offsets)


def _said(minute: float, *offsets: int, written: float | None = None) -> bytes:
    return _watermark(minute, *offsets).rendered(_at(minute if written is None else written), "/whopays/x")


def _heard(*records: _Record | bytes) -> tuple[WatermarksAudit, list[str]]:
    """Return the audit after some records, and what it found wrong with them."""
    audit = WatermarksAudit()
    listed = [one if isinstance(one, _Record) else _Record(one, place) for place, one in enumerate(records)]
    findings = list(audit.hear(cast("list[ConsumerRecord]", listed)))
    assert {one.promise for one in findings} <= {Promise.WATERMARKS}
    return audit, [f"{one.place.rpartition(' ')[2]} {one.trouble}" for one in findings]


def test_watermarks_that_rise_break_nothing() -> None:
    audit, troubles = _heard(_said(1, 5, 0), _said(2, 5, 3), _said(2, 5, 3), _said(3, 9, 3, written=4))
    assert troubles == []
    assert audit.last == _watermark(3, 9, 3)
    assert _heard()[0].last is None


@pytest.mark.parametrize(
    "value",
    (
        None, b"", b"{}", b"[]", _said(1, 2).replace(b"watermark-", b"other-"),
        *(
            _said(1, 2).replace(b"[2]", offsets)
            for offsets in (b"[2,-1]", b"[-1,2]", b'[2,"x"]', b"[2,1.5]", b"[2,true]", b"[2,null]")
        ),
    ),
)  # fmt: skip
def test_what_is_no_watermark_is_told_and_left_out(value: bytes | None) -> None:
    audit, troubles = _heard(_said(1, 5), _Record(value, 1), _said(2, 6))
    assert [trouble.partition("(")[0] for trouble in troubles] == ["1 it is no watermark "]
    assert audit.last == _watermark(2, 6)


def test_another_key_is_told() -> None:
    assert _heard(_Record(_said(1, 5), key=b"x"))[1] == ["0 its key is not that of watermarks"]


def test_what_is_to_come_cannot_be_closed() -> None:
    assert _heard(_said(1, 5, written=1))[1] == []
    assert _heard(_said(1, 5, written=0.9))[1] == ["0 it closes instants after the one at which it was written"]


def test_one_that_falls_is_told_and_left_out() -> None:
    audit, troubles = _heard(_said(2, 5), _said(1, 9), _said(1.5, 9), _said(3, 7))
    told = "it falls behind the one before, which closed 2027-01-31T12:02:00.000000Z"
    assert troubles == [f"1 {told}", f"2 {told}"]
    assert audit.last == _watermark(3, 7)


def test_one_that_is_repeated_says_the_same() -> None:
    assert _heard(_said(1, 5), _said(1, 6))[1] == ["1 it repeats the one before, but says something else"]


def test_an_event_stands_before_the_offsets_of_every_watermark_that_closes_it() -> None:
    audit, _ = _heard(_said(1, 5), _said(2, 8, 4), _said(3, 7, 9, 2))

    def troubles(minute: float, partition: int, offset: int) -> list[str]:
        time = f"{_at(minute):%Y-%m-%dT%H:%M:%S.%fZ}"
        return audit.troubles(partition, offset, orjson.dumps({"time": time}))

    assert troubles(1, 0, 4) == troubles(1.5, 0, 6) == troubles(2, 1, 3) == troubles(3, 2, 1) == []
    # Seven of the last counts for what the second closed, too.
    for minute, partition, offset in ((1, 0, 5), (1.5, 0, 7), (2, 1, 4), (3, 2, 2), (1, 1, 0), (2, 2, 0), (3, 3, 0)):
        (trouble,) = troubles(minute, partition, offset)
        closed = f"{_at(-(-minute // 1)):%Y-%m-%dT%H:%M:%S.%fZ}"
        assert (
            trouble == f"a watermark, of {closed} or later, closed its instant, but it does not stand before the offset"
        )
    assert troubles(3.1, 0, 10**9) == []
    assert _heard()[0].troubles(0, 0, orjson.dumps({"time": "2027-01-31T12:00:00Z"})) == []


def test_the_last_one_lies_within_the_topic_and_not_after_what_was_kept() -> None:
    audit, _ = _heard(_said(1, 5, 1))
    told = "watermark of 2027-01-31T12:01:00.000000Z"

    def found(ends: dict[int, int], kept: float | None) -> list[tuple[Promise, str, str]]:
        last = None if kept is None else LastWatermark(_watermark(kept, 0), b"")
        return [(one.promise, one.place, one.trouble) for one in audit.compare(ends, Kept(last=last))]

    assert found({0: 5, 1: 1}, None) == found({0: 6, 1: 1}, 1) == found({0: 5, 1: 2}, 2) == []
    assert found({0: 4}, None) == [
        (Promise.WATERMARKS, told, "bindings/0 ends at 4, but the watermark says 5"),
        (Promise.WATERMARKS, told, "bindings/1 ends at 0, but the watermark says 1"),
    ]
    assert found({0: 5, 1: 1}, 0.5) == [
        (Promise.POSITIONS, told, "the one beside the positions is earlier: the next could fall")
    ]
    assert list(WatermarksAudit().compare({}, Kept())) == []


def test_what_was_closed_is_published() -> None:
    finding = not_closed(3, 17, _NOON)
    assert (finding.promise, finding.place) == (Promise.WATERMARKS, "shard 3, position 17")
    assert finding.trouble.endswith("closed by the watermark of 2027-01-31T12:00:00.000000Z")
