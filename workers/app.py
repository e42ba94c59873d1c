"""The application for `faststream run workers.app:app`: all roles in one process, settings from the environment."""

from faststream import FastStream

from workers.logs import set_up_logs
from workers.running import Process
from workers.settings import Settings


def create_app() -> FastStream:
    """Give the application; what to run it with is read from the environment now."""
    settings = Settings()
    set_up_logs(settings)
    return Process(settings, ()).app


def __getattr__(name: str) -> FastStream:
    # Made when it is asked for, not when the module is imported.
    if name == "app":
        return create_app()
    raise AttributeError(name)
