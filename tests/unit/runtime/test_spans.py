"""Which spans are recorded: what its sender samples, as far as the operator's sampler likes, and what links to that."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, TraceFlags

from workers.runtime.settings import Settings
from workers.runtime.spans import Spans, end, exemplar_of, harmless

TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
CONTEXT = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, True, TraceFlags(1))


@pytest.fixture
def kept() -> InMemorySpanExporter:
    """What takes the spans."""
    return InMemorySpanExporter()


@pytest.fixture(params=["parentbased_always_off"])
def spans(
    kept: InMemorySpanExporter, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Spans]:
    """What records spans, with the sampler that a test names, or else of nothing that begins here."""
    sampler, _, argument = request.param.partition(" ")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    made = Spans(Settings(), ["relay"], kept)
    yield made
    made.shut_down()


def _recorded(spans: Spans, kept: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    spans.shut_down()
    return kept.get_finished_spans()


@pytest.mark.parametrize(
    ("spans", "are_roots", "are_sampled"),
    (
        ("always_on", True, True),
        ("always_off", False, False),
        ("parentbased_always_on", True, True),
        ("parentbased_always_off", False, True),
        ("traceidratio 0", False, False),
        ("traceidratio 1", True, True),
        ("parentbased_traceidratio 0", False, True),
    ),
    indirect=["spans"],
)
def test_the_sampler_decides_on_roots_and_on_what_senders_sample(
    spans: Spans, are_roots: bool, are_sampled: bool
) -> None:
    assert (spans.root("root", 1, {}) is not None) is are_roots
    assert (spans.sampled(f"{TRACE_PARENT}01", "decide") == CONTEXT) is are_sampled
    assert spans.sampled(f"{TRACE_PARENT}00", "decide") is None
    assert spans.sampled(None, "decide") is None
    # What links to something that is recorded always is, so that no link leads nowhere.
    assert spans.root("batch", 1, {}, links=[CONTEXT]) is not None


def test_spans_have_the_instants_of_what_is_over(spans: Spans, kept: InMemorySpanExporter) -> None:
    batch = spans.root("batch", 10.25, {"whopays.role": "relay"}, links=[CONTEXT] * 300)
    assert batch is not None
    spans.child("lock", batch.get_span_context(), 10.5, 10.75)
    end(batch, 11.0, has_failed=True)
    lock, ended = _recorded(spans, kept)
    assert (lock.start_time, lock.end_time) == (10_500_000_000, 10_750_000_000)
    assert (ended.start_time, ended.end_time) == (10_250_000_000, 11_000_000_000)
    assert lock.parent == ended.context
    assert not ended.status.is_ok
    assert len(ended.links) == 100
    named = ended.get_span_context()
    assert named is not None
    assert exemplar_of(batch) == {"trace_id": f"{named.trace_id:032x}", "span_id": f"{named.span_id:016x}"}


@pytest.mark.parametrize(("trace_parent", "recorded"), ((f"{TRACE_PARENT}01", 1), (f"{TRACE_PARENT}00", 0), (None, 0)))
def test_a_request_belongs_to_the_trace_of_who_asks(
    spans: Spans, kept: InMemorySpanExporter, trace_parent: str | None, recorded: int
) -> None:
    exemplar = spans.answered("GET /", trace_parent, 1, 2, {}, False)
    found = _recorded(spans, kept)
    assert (len(found), exemplar is not None) == (recorded, bool(recorded))
    assert all(span.parent == CONTEXT for span in found)


def test_a_fault_costs_the_trace_alone() -> None:
    def faulty() -> int:
        raise LookupError

    assert harmless(faulty)() is None
    assert harmless(lambda: 1)() == 1
