"""The spans of a relay transaction: its own, and one for each event whose trace is sampled."""

from collections import Counter
from collections.abc import Iterator

from opentelemetry.trace import SpanContext, SpanKind

from workers.publishing.packing import Publication, Traced
from workers.runtime.metrics import Exemplar
from workers.runtime.spans import Spans, end, exemplar_of
from workers.runtime.traces import Said

_MOST_OF_A_CONTEXT = 20
"""The most events of one trace context that get a span in a transaction: one command may cause ten thousand."""


def trace_transaction(spans: Spans, publication: Publication, began: float, ended: float) -> Exemplar | None:
    """Record a committed transaction, with its start and end in Unix time, and return its exemplar.

    Returns None if it is not recorded.
    """
    sampled = list(_sampled(spans, publication))
    # Each context once, in order of first occurrence.
    links = list({event.trace_parent: context for context, event in sampled}.values())
    said: Said = {"messaging.system": "kafka", "messaging.batch.message_count": publication.rows}
    transaction = spans.root("relay transaction", began, said, links=links)
    if transaction is None:
        return None
    context = transaction.get_span_context()
    numbers: Counter[str] = Counter()
    for parent, event in sampled:
        numbers[event.trace_parent] += 1
        if numbers[event.trace_parent] > _MOST_OF_A_CONTEXT:
            continue
        spans.child(
            f"publish {event.topic}",
            parent,
            began,
            ended,
            {
                "messaging.system": "kafka",
                "messaging.operation.type": "send",
                "messaging.destination.name": event.topic,
                "messaging.destination.partition.id": str(event.partition),
                "messaging.message.id": event.event_id,
            },
            links=[context],
            kind=SpanKind.PRODUCER,
        )
    end(transaction, ended)
    return exemplar_of(transaction)


def _sampled(spans: Spans, publication: Publication) -> Iterator[tuple[SpanContext, Traced]]:
    for event in publication.traced:
        context = spans.sampled(event.trace_parent, f"publish {event.topic}")
        if context is not None:
            yield context, event
