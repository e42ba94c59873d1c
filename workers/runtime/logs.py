"""Structured log lines, for machines or people; they name things by id and never quote message contents."""

import logging
import sys
import traceback
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from workers.runtime.settings import Settings

OURS = ("audit", "cli", "db", "domain", "embedded", "schemas", "service", "workers")
"""Packages whose error messages may appear in a log line: they never quote message contents."""


def set_up_logs(settings: Settings) -> None:
    """Log to standard error, in the format and from the level that the settings say."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _format_fault,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_QuotingNothing("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # It warns that topics are not created automatically, which is intended, and logs every batch.
    logging.getLogger("faststream").setLevel(logging.ERROR)


def described(fault: BaseException) -> str:
    """Return a fault's traceback, and those of its causes.

    The message of a fault is left out unless its class is one of ours: others quote what they failed on, such as the
    parameters of a statement, which may be personal data.
    """
    parts: list[str] = []
    current: BaseException | None = fault
    while current is not None and len(parts) < 10:
        kind = type(current)
        words = f": {current}" if kind.__module__.split(".")[0] in OURS else ""
        parts.append(f"{''.join(traceback.format_tb(current.__traceback__))}{kind.__module__}.{kind.__name__}{words}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\ncaused by:\n".join(parts)


def _format_fault(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the fault that is being handled to the event."""
    if event.pop("exc_info", None) and (fault := sys.exception()) is not None:
        event["exception"] = described(fault)
    return event


class _QuotingNothing(logging.Formatter):
    """Formats log lines of libraries, with faults as in our own lines."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 (the name that logging calls)
        """Return the traceback of a fault."""
        return described(ei[1]) if ei[1] is not None else ""
