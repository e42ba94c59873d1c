"""The warning at every start of a process that does not authenticate anyone."""

import structlog

from workers.runtime.settings import Settings

logger = structlog.get_logger()


def warn_if_trusted(settings: Settings) -> None:
    """Log a warning if no tokens are checked (docs/contract.md section 12)."""
    if settings.auth == "trusted":
        logger.warning(
            "nobody_is_checked",
            auth="trusted",
            why="WHOPAYS_AUTH=trusted: senders of commands are believed to be whom they say, unchecked",
        )
