"""Traces of real processes: a command is followed from its sender to its result; what is not sampled leaves none."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from unittest.mock import patch

import httpx
import opentelemetry.trace
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed

from embedded import Addresses
from schemas.records import REDRIVE_HEADER
from tests.services.client.telling import connection_to
from tests.support.collector import Collector, Told, collecting
from tests.support.installations import Installation, free_port, installed
from tests.support.kafka import Published, exactly_published, results, send
from tests.support.messages import account, bind, command, profile, project
from tests.support.serving import asking, serving
from tests.support.waiting import until
from whopays_client import BindProject, Publisher
from workers.runtime.metric import Step

SENDER = "b7ad6b7169203331"
SERVER, PRODUCER, CONSUMER = 2, 4, 5
"""Kinds of spans, in the numbers of the protocol."""

_WITH_EXEMPLARS = {
    "whopays_batch": ("seconds", "records", "step_seconds"),
    "whopays_relay_transaction": ("seconds", "events"),
}


def trace(number: int) -> str:
    """Return the id of a trace of the tests."""
    return f"{number:032x}"


def trace_parent(number: int, flags: str = "01") -> str:
    """Return what a sender says who traces, or who does not."""
    return f"00-{trace(number)}-{SENDER}-{flags}"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A collector for all tests here that leave it alone."""
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def port() -> int:
    """Where the installation tells its metrics."""
    return free_port()


@pytest_asyncio.fixture(scope="module")
async def traced(services: Addresses, template: str, collector: Collector, port: int) -> AsyncIterator[Installation]:
    """A running whopays that sends its spans to the collector, with an account that pays and two projects."""
    async with installed(services, template, roles=()) as made:
        await made.start(**collector.environment(WHOPAYS_METRICS_PORT=str(port)))
        await send(made, [profile("acme"), project("acme", "web"), project("acme", "api"), account("acme", "main")])
        await exactly_published(made)
        yield made
        assert not any("not_traced" in line for line in made.workers[0].lines)


async def _spans(collector: Collector, number: int, *names: str) -> list[Told]:
    """Return the spans of a trace, once those of these names are among them and what they link to is known."""

    async def found() -> list[Told] | None:
        spans = collector.of(trace(number))
        known = {span.context for span in collector.spans}
        links = {link for span in spans for link in span.links}
        return spans if set(names) <= {span.name for span in spans} and links <= known else None

    return await until(found, f"{names} in the trace")


def _linked(collector: Collector, span: Told) -> Told:
    (context,) = span.links
    return collector.by_context(context)


async def test_a_command_is_followed_from_its_sender_to_its_result(traced: Installation, collector: Collector) -> None:
    await send(traced, [bind("acme", "web", "main", "b-1", ce_traceparent=trace_parent(1))])
    events = [one for one in await exactly_published(traced) if trace(1) in one.event.get("traceparent", "")]
    topics = {"bindings": 1, "command-results": 1}
    names = [f"publish {traced.prefix}{topic}" for topic in topics]
    spans = await _spans(collector, 1, "decide BindProject", *names)
    # All continue what the sender began, which is passed on as it came.
    assert {span.parent_id for span in spans} == {SENDER}
    assert {one.event["traceparent"] for one in events} == {trace_parent(1)}

    (decided,) = [span for span in spans if span.kind == CONSUMER]
    assert decided.said == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": f"{traced.prefix}admin-commands",
        "messaging.destination.partition.id": decided.said["messaging.destination.partition.id"],
        "messaging.kafka.offset": decided.said["messaging.kafka.offset"],
        "whopays.outcome": "Applied",
        "whopays.organization": "acme",
    }
    batch = _linked(collector, decided)
    assert batch.name == "batch admin-commands"
    assert batch.parent_id == ""
    assert (trace(1), SENDER) in batch.links
    steps = [span for span in collector.of(batch.trace_id) if span is not batch]
    assert {span.name for span in steps} == set(Step)
    assert {span.parent_id for span in steps} == {batch.span_id}
    assert all(batch.began <= span.began <= span.ended <= batch.ended for span in steps)
    commit = max((span for span in steps if span.name == Step.COMMIT), key=lambda span: span.began)

    published = [span for span in spans if span.kind == PRODUCER]
    assert sorted(span.said["messaging.message.id"] for span in published) == sorted(one.event["id"] for one in events)
    assert sorted(span.name for span in published) == sorted(names)
    for span in published:
        transaction = _linked(collector, span)
        assert (transaction.name, transaction.parent_id) == ("relay transaction", "")
        assert transaction.links == ((trace(1), SENDER),)
        # A relay may be quicker than the news of the commit.
        assert commit.began <= transaction.began
    assert batch.resource["service.name"] == "whopays"
    assert batch.resource["whopays.installation"] == traced.settings.installation


async def test_a_slow_bucket_leads_to_a_trace(traced: Installation, collector: Collector, port: int) -> None:
    await send(traced, [bind("acme", "api", "main", "b-9", ce_traceparent=trace_parent(9))])
    await _spans(collector, 9, "decide BindProject", f"publish {traced.prefix}command-results")
    page = await _metrics(port, "application/openmetrics-text; version=1.0.0")
    named: dict[str, set[str]] = {}
    for family in parsed(page):  # type: ignore[no-untyped-call]  # its types leave it out
        for sample in family.samples:
            if sample.exemplar is not None:
                span = collector.by_context((sample.exemplar.labels["trace_id"], sample.exemplar.labels["span_id"]))
                named.setdefault(family.name, set()).add(span.name)
    of_batches, of_relay = ({f"{name}_{unit}" for unit in units} for name, units in _WITH_EXEMPLARS.items())
    assert named.keys() == of_batches | of_relay
    assert all("batch admin-commands" in named[name] for name in of_batches)
    assert all(named[name] == {"relay transaction"} for name in of_relay)
    # The plain text is what it was.
    assert "trace_id" not in await _metrics(port, "text/plain")


async def _metrics(port: int, accepted: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics", headers={"accept": accepted})
    assert answer.headers["content-type"].startswith(accepted.partition(";")[0])
    return answer.text


async def test_the_client_continues_the_trace_of_its_caller(traced: Installation, collector: Collector) -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("tests")
    command = BindProject(organization="acme", project="web", account="main")
    with patch.object(opentelemetry.trace, "get_tracer", provider.get_tracer):
        async with Publisher(connection_to(traced), "/tests", person="alice", wait_seconds=60) as publisher:
            with tracer.start_as_current_span("order") as order:
                answer = await publisher.send(command)
            with tracer.start_as_current_span("reading", context=answer.heard.trace_context()):
                pass
            told = await publisher.send(command, trace_parent=trace_parent(10, "00"))
    sent, _, read = kept.get_finished_spans()
    assert (sent.name, read.name) == ("send BindProject", "reading")
    assert sent.parent == order.get_span_context()
    assert sent.attributes is not None
    assert sent.attributes["whopays.outcome"] == answer.outcome
    context = sent.get_span_context()
    assert context is not None
    trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    assert (answer.heard.trace_parent or "").startswith(f"00-{trace_id}-{span_id}-")
    assert read.parent is not None
    assert (read.parent.trace_id, read.parent.span_id) == (context.trace_id, context.span_id)
    # What the caller says himself counts.
    assert told.heard.trace_parent == trace_parent(10, "00")

    async def decided() -> Told | None:
        return next((span for span in collector.of(trace_id) if span.name == "decide BindProject"), None)

    decision = await until(decided, "the decision in the caller's trace")
    assert decision.parent_id == span_id


async def test_a_question_is_part_of_its_askers_trace(traced: Installation, collector: Collector) -> None:
    path = "/v1/organizations/{organization}/projects/{project}"
    async with serving(traced, **collector.environment()) as server:
        async with asking(server) as ask:
            asked = path.format(organization="acme", project="web")
            answer = await ask.get(asked, headers={"traceparent": trace_parent(11)})
            assert answer.status_code == 200
            said = [*map(trace_parent, (13, 14))]
            for parents in ([trace_parent(12, "00")], ["?"], [], said, ["01" + said[0][2:] + "-" + "x" * 512]):
                await ask.get(asked, headers=[("traceparent", one) for one in parents])
            metrics = await ask.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert await server.stop() == 0
    (span,) = [one for one in collector.spans if one.kind == SERVER]
    assert (span.trace_id, span.parent_id, span.name) == (trace(11), SENDER, f"GET {path}")
    assert span.said == {
        "http.request.method": "GET",
        "http.route": path,
        "http.response.status_code": 200,
        "whopays.request_id": answer.headers["x-request-id"],
    }
    assert f'trace_id="{trace(11)}"' in metrics.text


async def test_what_its_sender_does_not_record_leaves_no_span(traced: Installation, collector: Collector) -> None:
    unsampled, silent = trace_parent(2, "00"), bind("acme", "web", "main", "b-3")
    await send(traced, [bind("acme", "api", "main", "b-2", ce_traceparent=unsampled), silent])
    await send(traced, [bind("acme", "api", "main", "b-4", ce_traceparent=trace_parent(4))])
    found = await exactly_published(traced)
    assert results(found).keys() >= {"b-2", "b-3", "b-4"}
    await _spans(collector, 4, "decide BindProject", f"publish {traced.prefix}command-results")
    # What came before the last one would be there by now.
    assert collector.of(trace(2)) == []
    assert trace(2) not in {trace_id for span in collector.spans for trace_id, _ in span.links}
    assert all(span.parent_id for span in collector.named("decide BindProject"))


async def test_what_waited_belongs_to_the_trace_of_its_command(traced: Installation, collector: Collector) -> None:
    await send(traced, [bind("acme", "late", "main", "b-5", waitSeconds=600, ce_traceparent=trace_parent(5))])
    await _spans(collector, 5, "decide BindProject")
    await send(traced, [project("acme", "late")])
    assert results(await exactly_published(traced))["b-5"]["outcome"] == "Applied"

    async def found() -> list[Told] | None:
        spans = [span for span in collector.of(trace(5)) if span.name == "decide BindProject"]
        return spans if len(spans) == 2 else None

    waiting, later = await until(found, "the second decision")
    assert waiting.said["whopays.outcome"] == "Waiting"
    assert later.said == {"whopays.outcome": "Applied", "whopays.organization": "acme", "whopays.later": True}
    assert (waiting.parent_id, later.parent_id) == (SENDER, SENDER)


async def test_facts_and_dead_letters_have_spans(traced: Installation, collector: Collector) -> None:
    known = project("acme", "third", ce_traceparent=trace_parent(6))
    unknown = bind("acme", "web", "main", "", ce_traceparent=trace_parent(7))
    await send(traced, [known, unknown])
    await _spans(collector, 6, "take in ProjectChanged")
    (letter, *_) = await _spans(collector, 7, "dead-letter", f"publish {traced.prefix}dead-letters")
    assert (letter.said["whopays.outcome"], letter.said["whopays.reason"]) == ("DeadLetter", "MissingAttribute")


async def test_a_redriven_record_is_decided_in_the_trace_that_it_came_with(
    traced: Installation, collector: Collector
) -> None:
    again = replace(
        bind("acme", "web", "main", "b-13", ce_traceparent=trace_parent(13)), headers=((REDRIVE_HEADER, b"0" * 32),)
    )
    await send(traced, [again])
    (decided, *_) = await _spans(collector, 13, "decide BindProject")
    assert (decided.parent_id, decided.said["whopays.redriven"]) == (SENDER, True)


async def test_one_command_of_many_events_has_few_spans(traced: Installation, collector: Collector) -> None:
    await send(traced, [account("acme", "many"), *(project("acme", f"p{one}") for one in range(60))])
    await send(traced, [bind("acme", f"p{one}", "many", f"m-{one}") for one in range(60)])
    await exactly_published(traced)
    payers = {"fromAccount": "many", "toAccount": "main"}
    moved = command("TransferProjects", "t-1", "acme", binary=False, ce_traceparent=trace_parent(8), **payers)
    await send(traced, [moved])
    events: list[Published] = await exactly_published(traced)
    assert len([one for one in events if trace(8) in one.event.get("traceparent", "")]) > 60
    spans = await _spans(collector, 8, "decide TransferProjects", f"publish {traced.prefix}bindings")
    transactions = {link for span in spans if span.kind == PRODUCER for link in span.links}
    assert len([span for span in spans if span.kind == PRODUCER]) <= 20 * len(transactions)


async def test_a_collector_that_hangs_costs_spans_alone(quiet_installation: Installation) -> None:
    installation = quiet_installation
    with collecting() as collector:
        collector.hang()
        worker = await installation.start(**collector.environment(OTEL_EXPORTER_OTLP_TIMEOUT="3600"))
        await send(installation, [profile("acme"), project("acme", "web"), account("acme", "main")])
        traced = [bind("acme", "web", "main", f"b-{one}", ce_traceparent=trace_parent(one)) for one in range(1, 50)]
        await send(installation, traced)
        await asyncio.to_thread(collector.asked.wait)
        found = await exactly_published(installation)
        assert results(found).keys() >= {f"b-{one}" for one in range(1, 50)}
        # It stops by itself while the collector still hangs.
        assert await worker.stop() == 0
        assert not any("stopped_late" in line for line in worker.lines)
        assert collector.spans == []


async def test_a_collector_that_is_away_is_told_of(quiet_installation: Installation) -> None:
    installation = quiet_installation
    with collecting() as collector:
        collector.status = 400
        worker = await installation.start(**collector.environment())
        await send(installation, [project("acme", "web", ce_traceparent=trace_parent(1))])
        await worker.logged("spans_not_sent")
        await exactly_published(installation)
        assert await worker.stop() == 0
    logged = "\n".join(worker.lines)
    assert "opentelemetry" not in logged
    assert collector.endpoint not in logged
