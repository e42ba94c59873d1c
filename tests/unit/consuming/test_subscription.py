"""What a subscription does with what was fetched, without a broker."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from faststream.kafka import KafkaBroker
from pydantic import SecretStr
from structlog.testing import capture_logs

from db.engine import create_engine
from workers.batches.transaction import Batches
from workers.consuming.projects import PROJECTS
from workers.consuming.subscription import Subscription, _record
from workers.runtime.metrics import Metrics
from workers.runtime.settings import Settings

_YEAR_9999 = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
_YEAR_1970 = datetime(1970, 1, 1, tzinfo=UTC)


def _fetched(timestamp: int = 0, headers: Any = ()) -> Any:
    return ConsumerRecord("billing.projects", 1, 7, timestamp, 0, b"acme", b"{}", None, 4, 2, headers)


def _subscription(failures: list[BaseException], stopping: asyncio.Event | None = None) -> Subscription:
    settings = Settings(encryption_keys={"a": SecretStr("A" * 43 + "=")})
    engine = create_engine(settings.database_url)
    metrics, stopping = Metrics(), stopping or asyncio.Event()
    batches = Batches(engine, settings, settings.keys(), metrics, stopping)
    return Subscription(
        PROJECTS,
        KafkaBroker(),
        settings=settings,
        engine=engine,
        metrics=metrics,
        stopping=stopping,
        batches=batches,
        fail=failures.append,
    )


async def test_what_cannot_be_handed_over_ends_the_process_instead_of_being_skipped() -> None:
    failures: list[BaseException] = []
    subscription = _subscription(failures)
    with pytest.raises(TypeError):
        await subscription.consume_one((_fetched(headers=None),))
    assert [type(failure) for failure in failures] == [TypeError]


async def test_records_of_partitions_that_are_not_admitted_are_dropped() -> None:
    failures: list[BaseException] = []
    await asyncio.wait_for(_subscription(failures).consume_one((_fetched(),)), 10)
    assert failures == []


async def test_before_it_has_a_consumer_there_is_nothing_to_pause_or_acknowledge() -> None:
    subscription, partition = _subscription([]), TopicPartition("billing.projects", 1)
    subscription.pause(partition)
    subscription.resume(partition)
    await subscription.acknowledge({partition: 7})


async def test_a_batch_that_is_not_decided_is_none_that_may_be_acknowledged() -> None:
    failures: list[BaseException] = []
    stopping = asyncio.Event()
    stopping.set()
    assert await _subscription(failures, stopping)._process([_record(_fetched())], {}) is False
    assert failures == [], "whoever stops has not failed"
    nothing: Any = None
    with capture_logs() as logged:
        assert await _subscription(failures)._process(nothing, {}) is False
    assert ([type(failure) for failure in failures], len(logged)) == ([TypeError], 1)


def test_only_headers_that_all_have_are_kept_once() -> None:
    def headers(*names: str) -> Any:
        raw = [(name, b"".join([b"text", b"/plain"])) for name in names]
        return _record(_fetched(headers=raw)).headers

    for names, is_shared in ((["content-type"], True), (["authorization"], False), (["content-type", "x"], False)):
        first, second = headers(*names), headers(*names)
        assert first == second == tuple((name, b"text/plain") for name in names)
        assert (first is second) is is_shared, names
    assert headers() == ()


@pytest.mark.parametrize(
    ("timestamp", "instant"),
    ((-1, _YEAR_1970), (0, _YEAR_1970), (253_402_300_799_999, _YEAR_9999), (2**63 - 1, _YEAR_9999)),
)
def test_any_timestamp_of_a_producer_is_an_instant(timestamp: int, instant: datetime) -> None:
    assert _record(_fetched(timestamp)).timestamp == instant


def test_a_header_without_a_value_is_kept() -> None:
    assert _record(_fetched(headers=(("odd", None),))).headers == (("odd", None),)
