"""The application for `faststream run workers.app:app`: all roles in one process, settings from the environment."""

import structlog
from faststream import FastStream

from workers.process import Process
from workers.runtime.logs import set_up_logs
from workers.runtime.settings import Settings, unknown_variables

logger = structlog.get_logger()


def create_app() -> FastStream:
    """Return the application, with settings from the current environment."""
    settings = Settings()
    set_up_logs(settings)
    for line in unknown_variables():
        logger.warning("unknown_variable", why=line)
    return Process(settings, ()).app


def __getattr__(name: str) -> FastStream:
    # Created on access, not on import.
    if name == "app":
        return create_app()
    raise AttributeError(name)
