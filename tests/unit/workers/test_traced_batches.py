"""What a committed batch leaves in traces: its own span with its steps, and one of each message that is sampled."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from domain.dead_letters import Dead
from domain.messages import Due, DueKind, Folded, Message
from schemas.envelope import Trail
from schemas.facts import ProjectChanged
from schemas.outgoing import Outgoing
from schemas.records import REDRIVE_HEADER, DeadLetterReason
from schemas.results import CommandCompleted, Outcome, Reason, Violation
from tests.unit.schemas.building import BIND, PROJECT, RECORDED_AT, command, fact, structured
from workers.batches.tracing import trace_batch
from workers.runtime.metric import Step
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.runtime.spans import Spans
from workers.runtime.steps import Lap, StepClock

_OF_ALL = "0af7651916cd43dd8448eb211c80319c"
_SAMPLED = f"00-{_OF_ALL}-b7ad6b7169203331-01"
_NOT_SAMPLED = f"00-{_OF_ALL}-b7ad6b7169203331-00"
_HANDLER_FAULT = DeadLetterReason.HANDLER_FAULT


def _traced(
    *messages: Message, monkeypatch: pytest.MonkeyPatch, sampler: str = "parentbased_always_off", **folded: Any
) -> list[ReadableSpan]:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    kept = InMemorySpanExporter()
    spans = Spans(Settings(), ["admin-commands"], kept)
    clock = StepClock()
    clock.started_at = 1000.0
    clock._zero -= 100.0
    clock.laps += [Lap(Step.READ, 0.25, 0.5), Lap(Step.LOCK, 0.5, 2.0)]
    exemplar = trace_batch(spans, Role.ADMIN_COMMANDS, messages, Folded(**folded), clock)
    spans.shut_down()
    found = list(kept.get_finished_spans())
    assert (exemplar is None) is (not found)
    if found:
        batch = found[-1]
        assert exemplar == {"trace_id": f"{batch.context.trace_id:032x}", "span_id": f"{batch.context.span_id:016x}"}
    return found


def _said(span: ReadableSpan) -> dict[str, Any]:
    """Return what a span says, but for where its record was."""
    place = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": "billing.admin-commands",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 7,
    }
    said = dict(span.attributes or {})
    if "whopays.later" not in said:
        assert {name: said.pop(name, None) for name in place} == place
    return said


def _command(ce_id: str = "c-1", trace_parent: str = _SAMPLED) -> Any:
    return command(structured("BindProject", BIND, id=ce_id, traceparent=trace_parent))


def _result(ce_id: str = "c-1", trace_parent: str = _SAMPLED, *, is_rejected: bool = False) -> Outgoing:
    completed = CommandCompleted(
        organization="acme",
        command_id=ce_id,
        command_source="/tests",
        command_type="io.milo.billing.BindProject.v1",
        dry_run=False,
        outcome=Outcome.REJECTED if is_rejected else Outcome.APPLIED,
        violations=(Violation(reason=Reason.PROJECT_NOT_FOUND, message="There is none.", retryable=True),)
        * is_rejected,
        violation_count=int(is_rejected),
        events=(),
        event_count=0,
    )
    passed_on = {"traceparent": trace_parent}
    return Outgoing(completed, "acme", "acme", b"acme", RECORDED_AT, passed_on=passed_on)


def test_nothing_is_recorded_of_what_nobody_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    due = Due(DueKind.FAN_OUT, "acme", "main")
    unsaid = command(structured("BindProject", BIND))
    quiet = _command(trace_parent=_NOT_SAMPLED)
    outgoing = [_result(trace_parent=_NOT_SAMPLED)]
    assert _traced(due, quiet, unsaid, monkeypatch=monkeypatch, outgoing=outgoing) == []
    nobody = _traced(_command(), monkeypatch=monkeypatch, sampler="always_off", outgoing=[_result(), _result("c-9")])
    assert nobody == [], "also where its sender would"


def test_a_batch_has_its_steps_and_links_to_what_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    due = Due(DueKind.FAN_OUT, "acme", "main")
    read, lock, decided, batch = _traced(due, _command(), monkeypatch=monkeypatch, outgoing=[_result()])
    assert [(one.name, one.start_time, one.end_time) for one in (read, lock)] == [
        ("read", 1_000_250_000_000, 1_000_500_000_000),
        ("lock", 1_000_500_000_000, 1_002_000_000_000),
    ]
    assert batch.name == "batch admin-commands"
    assert dict(batch.attributes or {}) == {"whopays.role": "admin-commands", "messaging.batch.message_count": 2}
    assert [f"{one.context.trace_id:032x}" for one in batch.links] == [_OF_ALL]
    assert read.parent == lock.parent == batch.context
    assert decided.name == "decide BindProject"
    assert decided.kind is SpanKind.CONSUMER
    assert f"{decided.context.trace_id:032x}" == _OF_ALL
    assert [one.context for one in decided.links] == [batch.context]
    assert decided.start_time == batch.start_time == 1_000_250_000_000
    assert decided.end_time == batch.end_time
    assert batch.end_time is not None
    assert batch.end_time >= 1_100_000_000_000
    assert _said(decided) == {"whopays.outcome": "Applied", "whopays.organization": "acme"}
    assert decided.status.is_ok or decided.status.is_unset


def test_what_became_of_each_command(monkeypatch: pytest.MonkeyPatch) -> None:
    redriven = _command("c-3")
    header = (REDRIVE_HEADER, b"0123456789abcdef0123456789abcdef")
    redriven = replace(redriven, record=replace(redriven.record, headers=(header,)))
    outgoing = [_result("c-1", is_rejected=True), _result("c-2"), _result("c-2"), _result("c-9")]
    messages = [_command("c-0", _NOT_SAMPLED), _command("c-1"), _command("c-2"), _command("c-2"), redriven]
    found = _traced(*messages, monkeypatch=monkeypatch, outgoing=outgoing)
    said = [_said(one) for one in found[2:-1]]
    applied = {"whopays.outcome": "Applied", "whopays.organization": "acme"}
    assert said == [
        {"whopays.outcome": "Rejected", "whopays.organization": "acme", "whopays.reason": "ProjectNotFound"},
        applied,
        applied,
        {"whopays.outcome": "Repeated", "whopays.redriven": True},
        {**applied, "whopays.later": True},
    ]
    assert Counter(one.name for one in found[2:-1]) == {"decide BindProject": 5}


@pytest.mark.parametrize(("reason", "has_failed"), ((_HANDLER_FAULT, True), (DeadLetterReason.INVALID_FACT, False)))
def test_dead_letters_and_facts(monkeypatch: pytest.MonkeyPatch, reason: DeadLetterReason, has_failed: bool) -> None:
    of = structured("BindProject", BIND)
    trail = Trail(passed_on={"traceparent": _SAMPLED})
    dead = Dead(of, reason, "why", is_private=True, boundary="acme", trail=trail)
    told = fact(structured("ProjectChanged", PROJECT, traceparent=_SAMPLED), ProjectChanged)
    letter, taken_in = _traced(dead, told, monkeypatch=monkeypatch)[2:-1]
    assert (letter.name, taken_in.name) == ("dead-letter", "take in ProjectChanged")
    assert _said(letter) == {"whopays.outcome": "DeadLetter", "whopays.reason": reason}
    assert _said(taken_in) == {}
    assert letter.status.is_ok is not has_failed
    # What was found out only while it was decided counts as well.
    (decided,) = _traced(_command(), monkeypatch=monkeypatch, dead={0: dead})[2:-1]
    assert _said(decided) == {"whopays.outcome": "DeadLetter", "whopays.reason": reason}


def test_of_a_card_number_no_trace_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    trail = Trail(passed_on={"traceparent": _SAMPLED})
    of = structured("BindProject", BIND)
    dead = Dead(of, DeadLetterReason.CARD_NUMBER, "why", is_private=True, boundary="acme", trail=trail)
    assert _traced(dead, monkeypatch=monkeypatch) == []
