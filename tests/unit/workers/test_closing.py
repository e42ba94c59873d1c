"""Up to when readers of `bindings` are complete: only once all that was seen of every shard is published."""

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder

from db.shards import Head
from schemas.topics import Topic
from schemas.watermarks import Watermark
from workers.publishing import watermarks as module
from workers.publishing.dividing import slot_of, transactional_id
from workers.publishing.packing import Publication
from workers.publishing.positions import BEGINNING, Kept, LastWatermark, Position
from workers.publishing.producer import Place
from workers.publishing.telling import Telling
from workers.publishing.watermarks import OffsetUnknown, Watermarks
from workers.runtime.metrics import Exemplar, Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_AT = datetime(2026, 5, 6, tzinfo=UTC)
_NEVER = datetime.min.replace(tzinfo=UTC)
_SETTINGS = Settings(shards=2)
_BINDINGS, _ACCOUNTS = map(_SETTINGS.topic, (Topic.BINDINGS, Topic.ACCOUNTS))


def _later(seconds: int) -> datetime:
    return _AT + timedelta(seconds=seconds)


def _head(position: int, seconds: int, *, is_closed: bool = False, begins_after: int = 0) -> Head:
    return Head(position, b"", _later(seconds), _AT, begins_after, is_closed)


def _last(seconds: int) -> LastWatermark:
    return LastWatermark(Watermark(closed_until=_later(seconds), offsets=(0, 0)), b"{}")


def _at(**positions: int) -> dict[int, Position]:
    return {int(shard[1:]): Position(position, b"") for shard, position in positions.items()}


def _batch(records: int) -> Any:
    batch = BatchBuilder(10_000, 0, is_transactional=False)
    for _ in range(records):
        batch.append(timestamp=None, key=None, value=b"v")
    return batch


def _closed(watermarks: Watermarks) -> datetime | None:
    return watermarks._closed_by(_later(1_000_000))


def test_a_shard_is_closed_once_what_was_seen_of_it_is_published() -> None:
    watermarks = Watermarks(_SETTINGS, Kept(), (0, 0))
    watermarks.see({0: _head(3, 10), 1: _head(0, 30)})
    watermarks.count({})
    assert _closed(watermarks) is None, "nothing of shard 0 is published"
    watermarks.count(_at(s0=2))
    assert _closed(watermarks) is None, "nor is its last"
    watermarks.count(_at(s0=3))
    assert _closed(watermarks) == _later(10)
    # Of what is yet to be published the first counts, and of one position the last instant.
    watermarks.see({0: _head(5, 20), 1: _head(0, 40)})
    watermarks.see({0: _head(6, 25)})
    watermarks.count(_at(s0=5))
    assert _closed(watermarks) == _later(20)
    watermarks.see({0: _head(7, 30)})
    watermarks.see({0: _head(7, 31)})
    watermarks.count(_at(s0=6))
    assert _closed(watermarks) == _later(20)
    watermarks.count(_at(s0=7))
    assert _closed(watermarks) == _later(31)
    assert watermarks._closed_by(_later(5)) == _later(5), "none that is yet to come"


def test_shards_that_are_closed_for_good_or_gave_no_instant() -> None:
    watermarks = Watermarks(_SETTINGS, Kept(), (0, 0))
    watermarks.see({0: _head(0, 10, is_closed=True), 1: Head(0, b"", _NEVER, _AT)})
    watermarks.count({})
    assert _closed(watermarks) is None
    watermarks.see({1: _head(0, 30)})
    watermarks.count({})
    assert _closed(watermarks) == _later(30)


@pytest.mark.parametrize(("floor", "is_new"), ((None, True), (9, True), (10, False), (11, False)))
async def test_a_watermark_never_goes_back(floor: int | None, is_new: bool) -> None:
    kept = Kept() if floor is None else Kept(seen=_last(floor))
    watermarks = Watermarks(_SETTINGS, kept, (4, 5))
    assert await watermarks.next(_Partitions(2)) is None
    watermarks.see({0: _head(0, 10), 1: _head(0, 20)})
    watermarks.count({})
    watermarks.end_at((6, 7))
    found = await watermarks.next(_Partitions(2))
    assert (found is not None) is is_new
    assert watermarks.closed_until is None, "what was only seen is not one's own"
    if found is not None:
        assert found.watermark == Watermark(closed_until=_later(10), offsets=(6, 7))
        assert Watermark.parsed(found.value) == found.watermark
        watermarks.written(found)
        assert watermarks.closed_until == _later(10)
        assert await watermarks.next(_Partitions(2)) is found, "nothing was closed since"
        watermarks.see({0: _head(0, 11), 1: _head(0, 20)})
        watermarks.count({})
        with pytest.raises(OffsetUnknown):
            await watermarks.next(_Partitions(3))


class _Partitions:
    """The number of partitions of a topic, all that is asked of a producer here."""

    def __init__(self, number: int) -> None:
        self._number = number

    async def partitions_for(self, _: str) -> set[int]:
        return set(range(self._number))


def test_the_ends_follow_what_is_published() -> None:
    watermarks = Watermarks(_SETTINGS, Kept(), (4, 5))
    batches: list[tuple[Place, Any]] = [((_BINDINGS, 1), _batch(3)), ((_ACCOUNTS, 7), _batch(2))]
    watermarks.published(batches, (20, -1))
    assert watermarks._ends == [4, 23]
    watermarks.published([((_BINDINGS, 0), _batch(1))], (0,))
    assert watermarks._ends == [1, 23]
    for partition, offset in ((2, 20), (0, -1)):
        with pytest.raises(OffsetUnknown):
            watermarks.published([((_BINDINGS, partition), _batch(1))], (offset,))


def test_a_watermark_is_due_soon_after_something_was_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.0)
    monkeypatch.setattr(module, "IDLE_SECONDS", time.monotonic())
    watermarks = Watermarks(_SETTINGS, Kept(), (4, 5))
    watermarks.written(_last(0))
    assert not watermarks.is_due()
    watermarks.hear_of_others()
    assert watermarks.is_due()
    watermarks.written(_last(0))
    assert not watermarks.is_due()
    watermarks.published([((_ACCOUNTS, 0), _batch(1))], (0,))
    assert watermarks.is_due()


def test_the_last_that_readers_may_have_seen_is_the_floor() -> None:
    assert Kept().floor is None
    assert Kept(last=_last(3)).floor == _later(3)
    assert Kept(seen=_last(4)).floor == _later(4)
    assert Kept(last=_last(3), seen=_last(4)).floor == _later(3), "only where positions were lost"
    assert Position(0, b"") == BEGINNING


def test_each_slot_has_a_producer_of_its_own() -> None:
    assert [slot_of(shard, 3) for shard in range(7)] == [0, 1, 2, 0, 1, 2, 0]
    settings = Settings(topic_prefix="p.", installation="one")
    assert transactional_id(settings) == "whopays-relay-p.one-0"
    assert transactional_id(settings, 1, 0) == "whopays-relay-p.one-0"
    assert transactional_id(settings, 3, 2) == "whopays-relay-p.one-3-2"


def test_a_process_tells_which_slots_it_publishes() -> None:
    metrics = Metrics()
    told = metrics.registry.get_sample_value
    telling = Telling(Settings(relay_slots=3), metrics, None)
    found = [(told("whopays_relay_slots"), told("whopays_relay_active"))]
    telling.closed(_AT)
    for change, slot in ((telling.began, 0), (telling.began, 2), (telling.ended, 2)):
        change(slot)
        telling.closed(_AT)
        found.append((told("whopays_closed_until_timestamp_seconds"), told("whopays_relay_active")))
    assert found == [(3, 0), (_AT.timestamp(), 1), (_AT.timestamp(), 2), (_AT.timestamp(), 1)]
    telling.ended(0)
    closed = told("whopays_closed_until_timestamp_seconds")
    assert closed is not None
    assert math.isnan(closed), "the slot that closes is another process's now"


async def test_a_transaction_is_counted_and_told_from_its_beginning_to_its_end() -> None:
    traced: list[tuple[Publication, float, float]] = []

    def trace(*told: Any) -> Exemplar | None:
        traced.append(told)
        return None

    publication, metrics = Publication([], {}, 7, 0), Metrics()
    told = metrics.registry.get_sample_value
    for slots, left in ((1, 0), (2, None)):
        metrics.left(9)
        metrics.oldest_unpublished(1.0)
        telling = Telling(Settings(relay_slots=slots), metrics, trace if slots == 1 else None)
        telling.transacted(publication, 100.0, 2.5)
        telling.interrupted()
        # Of what is left nothing is asked.
        await telling.published(None, publication, {})  # type: ignore[arg-type]
        assert told("whopays_events_unpublished") == (9 if left is None else left), "one of several does not know"
        assert bool(told("whopays_events_unpublished_age_seconds")) is (left is None)
        metrics.turns._turned[Role.RELAY] -= 7200.0
        with telling.lap():
            assert Role.RELAY not in metrics.turns.hanging(3600.0)
    assert traced == [(publication, 100.0, 102.5)]
    names = ("transaction_events_sum", "transaction_seconds_sum", "interruptions_total")
    assert [told(f"whopays_relay_{name}") for name in names] == [14, 5, 2]
    assert told("whopays_events_published_total") == 14
    assert told("whopays_role_heartbeat_timestamp_seconds", {"role": Role.RELAY})
    assert Role.RELAY not in metrics.turns.waiting_to_begin()
