"""What a reader has of the trace behind an event: its context, unless a replay repeats it."""

import json
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord
from opentelemetry.trace import get_current_span

from tests.support.contract_files import published_schema
from whopays_client import BindingChanged
from whopays_client.envelope import Heard, read

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACE_PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


def heard(trace_parent: str | None, *headers: tuple[str, bytes]) -> Heard[Any]:
    """Return an event with this `traceparent`, in a record with these headers."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "3-14",
        "type": "io.milo.billing.BindingChanged.v1",
        "time": "2026-07-01T00:00:00Z",
        "subject": "acme/web",
        "data": published_schema("BindingChanged")["examples"][0],
    }
    if trace_parent is not None:
        event["traceparent"] = trace_parent
    value = json.dumps(event).encode()
    found = read(ConsumerRecord("bindings", 0, 7, 0, 0, b"acme", value, None, 4, len(value), headers))
    assert found is not None
    assert isinstance(found.event, BindingChanged)
    return found


def test_an_event_continues_the_trace_of_its_command() -> None:
    context = get_current_span(heard(TRACE_PARENT).trace_context()).get_span_context()
    assert (f"{context.trace_id:032x}", f"{context.span_id:016x}") == (TRACE_ID, SPAN_ID)
    assert context.is_remote
    assert context.trace_flags.sampled


@pytest.mark.parametrize("trace_parent", (None, "", "?", f"00-{TRACE_ID}-{SPAN_ID}"))
def test_without_a_trace_the_context_is_empty(trace_parent: str | None) -> None:
    assert not get_current_span(heard(trace_parent).trace_context()).get_span_context().is_valid


def test_what_a_replay_repeats_is_no_part_of_the_trace() -> None:
    found = heard(TRACE_PARENT, ("content-type", b"application/cloudevents+json"), ("whopays-replay", b"again"))
    assert found.is_replayed
    assert not heard(TRACE_PARENT).is_replayed
    assert found.trace_parent == TRACE_PARENT
    assert not get_current_span(found.trace_context()).get_span_context().is_valid
