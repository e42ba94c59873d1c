"""What a committed batch leaves in traces: its own span with steps, and one of each message that is sampled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.trace import SpanContext, SpanKind

from domain.dead_letters import Dead
from domain.messages import Due, Folded, Identity, Message
from schemas.parsing import CommandMessage, FactMessage
from schemas.records import DeadLetterReason, Record
from schemas.results import CommandCompleted
from workers.batches.messages import trail_of_message
from workers.runtime.metrics import Exemplar, known_type
from workers.runtime.roles import Role
from workers.runtime.spans import Spans, end, exemplar_of
from workers.runtime.steps import StepClock
from workers.runtime.traces import Said, is_sampled

_REPEATED = "Repeated"
"""What is said of a command that was answered before: no result follows."""

_Said = dict[str, str | bool | int | float]


@dataclass(frozen=True, slots=True)
class _Sampled:
    """What its sender traces: the context that the sender gave it, and what its span is called and says."""

    context: SpanContext
    name: str
    said: Said


def trace_batch(
    spans: Spans, role: Role, messages: Sequence[Message], folded: Folded, clock: StepClock
) -> Exemplar | None:
    """Record a batch that is committed, and return the exemplar for its metrics; None if it is not recorded."""
    sampled = [*_sampled(spans, messages, folded), *_sampled_results(spans, messages, folded)]
    laps, ended = clock.untaken, clock.started_at + clock.elapsed
    # Work that is divided shares a clock.
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


def _sampled(spans: Spans, messages: Sequence[Message], folded: Folded) -> Iterator[_Sampled]:
    """Yield the records whose senders trace them."""
    dead = {letter.record.place: letter.reason for letter in folded.dead.values()}
    results: Mapping[Identity, CommandCompleted] | None = None
    for message in messages:
        trace_parent = None if isinstance(message, Due) else trail_of_message(message).passed_on.get("traceparent")
        if isinstance(message, Due) or not is_sampled(trace_parent):
            continue
        reason = message.reason if isinstance(message, Dead) else dead.get(message.record.place)
        # Of a card number no trace is left, whatever looks like one.
        if reason is DeadLetterReason.CARD_NUMBER:
            continue
        name = _name(message)
        context = spans.sampled(trace_parent, name)
        if context is None:
            continue
        said = _place(message.record)
        if reason is not None:
            said |= {"whopays.outcome": "DeadLetter", "whopays.reason": reason}
        elif isinstance(message, CommandMessage):
            results = _results(folded) if results is None else results
            said |= _outcome(results.get((message.organization, message.event.source, message.event.id)))
        yield _Sampled(context, name, said)


def _sampled_results(spans: Spans, messages: Sequence[Message], folded: Folded) -> Iterator[_Sampled]:
    """Yield the final results of commands of earlier batches: what was scheduled or waited belongs to their traces."""
    of_this_batch: set[Identity] | None = None
    for outgoing in folded.outgoing:
        completed = outgoing.event
        trace_parent = outgoing.passed_on.get("traceparent")
        if trace_parent is None or not isinstance(completed, CommandCompleted):
            continue
        if of_this_batch is None:
            commands = (message for message in messages if isinstance(message, CommandMessage))
            of_this_batch = {(one.organization, one.event.source, one.event.id) for one in commands}
        if _identity(completed) not in of_this_batch:
            name = f"decide {known_type(completed.command_type)}"
            context = spans.sampled(trace_parent, name)
            if context is not None:
                yield _Sampled(context, name, _outcome(completed) | {"whopays.later": True})


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


def _results(folded: Folded) -> Mapping[Identity, CommandCompleted]:
    completed = (one.event for one in folded.outgoing if isinstance(one.event, CommandCompleted))
    return {_identity(one): one for one in completed}


def _identity(completed: CommandCompleted) -> Identity:
    return (completed.organization, completed.command_source, completed.command_id)
