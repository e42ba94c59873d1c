"""The spans of a committed batch: its own with one per step, and one for each message whose trace is sampled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.trace import SpanContext, SpanKind

from domain.dead_letters import Dead
from domain.messages import Due, Folded, Message
from schemas.parsing import CommandMessage, FactMessage, Identity
from schemas.records import DeadLetterReason, Record
from schemas.results import CommandCompleted
from workers.runtime.metrics import Exemplar, known_type
from workers.runtime.roles import Role
from workers.runtime.spans import Spans, end, exemplar_of
from workers.runtime.steps import StepClock
from workers.runtime.traces import Said, is_sampled

_REPEATED = "Repeated"
"""The outcome in the span of a command that was answered before: it gets no new result."""

_Said = dict[str, str | bool | int | float]
_Result = tuple[str, CommandCompleted]


@dataclass(frozen=True, slots=True)
class _Sampled:
    """A message that its sender traces: the sender's span context, and the name and attributes of our span."""

    context: SpanContext
    name: str
    said: Said


def trace_batch(
    spans: Spans, role: Role, messages: Sequence[Message], folded: Folded, clock: StepClock
) -> Exemplar | None:
    """Record a batch that is committed, and return the exemplar for its metrics; None if it is not recorded."""
    results = _sampled_results(folded)
    # The results that remain are final ones of commands of earlier batches, which were scheduled or waited.
    sampled = [*_sampled(spans, messages, folded, results), *_later(spans, results)]
    laps, ended = clock.untaken, clock.started_at + clock.elapsed
    # The parts of a divided batch share one clock.
    began = clock.started_at + (laps[0].began if laps else 0.0)
    said: Said = {"whopays.role": role, "messaging.batch.message_count": len(messages)}
    batch = spans.root(f"batch {role}", began, said, links=[one.context for one in sampled])
    if batch is None:
        return None
    context = batch.get_span_context()
    for step, start, stop in laps:
        spans.child(step, context, clock.started_at + start, clock.started_at + stop)
    for one in sampled:
        has_failed = one.said.get("whopays.reason") == DeadLetterReason.HANDLER_FAULT
        spans.child(
            one.name,
            one.context,
            began,
            ended,
            one.said,
            links=[context],
            kind=SpanKind.CONSUMER,
            has_failed=has_failed,
        )
    end(batch, ended)
    return exemplar_of(batch)


def _sampled(
    spans: Spans, messages: Sequence[Message], folded: Folded, results: dict[Identity, _Result]
) -> Iterator[_Sampled]:
    """Yield the messages whose senders trace them, and remove their results from `results`."""
    dead = {letter.record.place: letter.reason for letter in folded.dead.values()}
    taken: dict[Identity, CommandCompleted | None] = {}
    for message in messages:
        if isinstance(message, Due):
            continue
        trace_parent = _passed_on(message).get("traceparent")
        if not is_sampled(trace_parent):
            continue
        reason = message.reason if isinstance(message, Dead) else dead.get(message.record.place)
        said = _place(message.record)
        if reason is not None:
            said |= {"whopays.outcome": "DeadLetter", "whopays.reason": reason}
        elif isinstance(message, CommandMessage):
            identity = message.identity
            _, completed = results.pop(identity, (None, taken.get(identity)))
            said |= _outcome(completed)
            taken[identity] = completed
        name = _name(message)
        context = spans.sampled(trace_parent, name)
        # A record that looks like it holds a card number leaves no trace.
        if context is not None and reason is not DeadLetterReason.CARD_NUMBER:
            yield _Sampled(context, name, said)


def _later(spans: Spans, results: Mapping[Identity, _Result]) -> Iterator[_Sampled]:
    for trace_parent, completed in results.values():
        name = f"decide {known_type(completed.command_type)}"
        context = spans.sampled(trace_parent, name)
        if context is not None:
            yield _Sampled(context, name, _outcome(completed) | {"whopays.later": True})


def _sampled_results(folded: Folded) -> dict[Identity, _Result]:
    """Return the latest result of each command whose sender traces it, with the `traceparent` that it carries."""
    found: dict[Identity, _Result] = {}
    for outgoing in folded.outgoing:
        trace_parent, completed = outgoing.passed_on.get("traceparent"), outgoing.event
        if trace_parent is not None and is_sampled(trace_parent) and isinstance(completed, CommandCompleted):
            identity = (completed.organization, completed.command_source, completed.command_id)
            found[identity] = (trace_parent, completed)
    return found


def _passed_on(message: CommandMessage | FactMessage | Dead) -> Mapping[str, str]:
    return message.trail.passed_on if isinstance(message, Dead) else message.event.passed_on


def _name(message: CommandMessage | FactMessage | Dead) -> str:
    match message:
        case CommandMessage():
            return f"decide {known_type(message.event.type)}"
        case FactMessage():
            return f"take in {type(message.fact).__name__}"
        case Dead():
            return "dead-letter"


def _place(record: Record) -> _Said:
    redriven = {} if record.redrive_id is None else {"whopays.redriven": True}
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
        **redriven,
    }


def _outcome(completed: CommandCompleted | None) -> _Said:
    if completed is None:
        return {"whopays.outcome": _REPEATED}
    said: _Said = {"whopays.outcome": completed.outcome, "whopays.organization": completed.organization}
    if completed.violations:
        said["whopays.reason"] = completed.violations[0].reason
    return said
