"""Log lines: structured, for machines or for people; they name things by id and never quote what was sent."""

import logging
import sys

import structlog

from workers.settings import Settings


def set_up_logs(settings: Settings) -> None:
    """Write the lines of this process to standard error, in the format and from the level that the settings say."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
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
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    # It warns that topics are not made by accident, which is meant, and tells of every batch.
    logging.getLogger("faststream").setLevel(logging.ERROR)
