"""What a transaction of the relay leaves in traces: its own span, and some of the events that are sampled."""

from collections import Counter

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from workers.publishing.packing import Publication, Traced
from workers.publishing.tracing import trace_transaction
from workers.runtime.settings import Settings
from workers.runtime.spans import Spans

_ONE, _OTHER = (f"00-{number * 32}-b7ad6b7169203331-01" for number in "ab")
_QUIET = _ONE[:-1] + "0"


def _event(trace_parent: str, number: int = 0) -> Traced:
    return Traced(trace_parent, f"0-{number}", "bindings", 3)


def test_of_each_command_twenty_events_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    kept = InMemorySpanExporter()
    spans = Spans(Settings(), ["relay"], kept)
    assert trace_transaction(spans, Publication([], {}, 7, 0, [_event(_QUIET)]), 10.0, 12.0) is None
    traced = [_event(_QUIET), *(_event(_ONE, number) for number in range(22)), _event(_OTHER, 99)]
    exemplar = trace_transaction(spans, Publication([], {}, 30, 0, traced), 10.0, 12.0)
    spans.shut_down()
    *events, transaction = kept.get_finished_spans()
    assert Counter(one.name for one in events) == {"publish bindings": 21}
    assert [(one.attributes or {})["messaging.message.id"] for one in events] == [
        *(f"0-{number}" for number in range(20)), "0-99"
    ]  # fmt: skip
    for one in (*events, transaction):
        assert (one.start_time, one.end_time) == (10_000_000_000, 12_000_000_000)
    assert {one.kind for one in events} == {SpanKind.PRODUCER}
    assert all([link.context for link in one.links] == [transaction.context] for one in events)
    assert transaction.name == "relay transaction"
    assert (transaction.attributes or {})["messaging.batch.message_count"] == 30
    assert [f"{link.context.trace_id:032x}" for link in transaction.links] == ["a" * 32, "b" * 32]
    assert exemplar == {
        "trace_id": f"{transaction.context.trace_id:032x}", "span_id": f"{transaction.context.span_id:016x}"
    }  # fmt: skip
