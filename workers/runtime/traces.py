"""Traces, off by default; while they are off, OpenTelemetry is not imported."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workers.runtime.settings import Settings

if TYPE_CHECKING:
    from workers.runtime.spans import Spans

Said = Mapping[str, str | bool | int | float]
"""The attributes of a span. They name things by id, and never quote message contents."""

_SAMPLED = frozenset("13579bdf")
_LAST_OF_FLAGS = 54


class TracesNotInstalled(Exception):
    """Traces are switched on, but OpenTelemetry is not installed; the message says what to do."""


def is_sampled(trace_parent: str | None) -> bool:
    """Return whether the sender of a well-formed `traceparent` records its trace (W3C Trace Context, section 3.2)."""
    return trace_parent is not None and trace_parent[_LAST_OF_FLAGS] in _SAMPLED


def spans_of(settings: Settings, roles: Sequence[str]) -> "Spans | None":
    """Return the recorder of spans of a process that plays these roles; None if traces are off.

    Raises TracesNotInstalled.
    """
    if settings.traces == "off":
        return None
    try:
        from workers.runtime.spans import Spans  # noqa: PLC0415 - imported only when tracing
    except ModuleNotFoundError as error:
        raise TracesNotInstalled(
            f"WHOPAYS_TRACES is {settings.traces}, which needs OpenTelemetry, and {error.name} is not installed.\n"
            "Install whopays[traces], or set WHOPAYS_TRACES to off."
        ) from error
    return Spans(settings, roles)
