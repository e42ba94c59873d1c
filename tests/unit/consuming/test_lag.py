"""How far behind a partition is, in records and since when."""

from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import TopicPartition
from prometheus_client import generate_latest

from workers.consuming.lag import Lag
from workers.runtime.metrics import Metrics

_PARTITION = TopicPartition("b.projects", 2)
_LABELS = {"topic": "b.projects", "partition": "2"}


def _told(metrics: Metrics) -> tuple[float | None, float | None]:
    value = metrics.registry.get_sample_value
    return value("whopays_consumer_lag_records", _LABELS), value("whopays_consumer_lag_seconds", _LABELS)


def _at(seconds: float) -> float:
    return _ago(seconds).timestamp()


def _ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def test_the_first_record_that_is_not_decided_tells_both() -> None:
    metrics = Metrics()
    Lag(metrics).note(_PARTITION, (7, _ago(1000)), 12, 20, _at(0))
    records, seconds = _told(metrics)
    assert records == 13
    assert seconds == pytest.approx(1000, abs=100)


def test_what_was_not_read_yet_counts_from_when_it_was_noticed_as_long_as_nothing_is_read() -> None:
    metrics = Metrics()
    lag = Lag(metrics)
    for position, noticed, since in ((5, 3000, 3000), (5, 2000, 3000), (6, 1000, 1000)):
        lag.note(_PARTITION, None, position, 9, _at(noticed))
        records, seconds = _told(metrics)
        assert records == 9 - position
        assert seconds == pytest.approx(since, abs=100)
    lag.note(_PARTITION, None, 9, 9, _at(0))
    assert _told(metrics) == (0, 0)


def test_nothing_is_told_of_partitions_that_somebody_else_may_have() -> None:
    metrics = Metrics()
    lag = Lag(metrics)
    lag.note(_PARTITION, None, 5, 9, _at(0))
    metrics.held_up(_PARTITION, None)
    lag.forget()
    lag.forget()
    assert b"b.projects" not in generate_latest(metrics.registry)
    # Who had it meanwhile may have noticed it long before.
    lag.note(_PARTITION, None, 5, 9, _at(5000))
    lag.forget()
    lag.note(_PARTITION, None, 5, 9, _at(1000))
    records, seconds = _told(metrics)
    assert records == 4
    assert seconds == pytest.approx(1000, abs=100)
