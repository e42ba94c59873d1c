"""How the commands that only ask reach the database. Imports nothing that takes long."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from cli.terminal.ending import CommandFailed, importing
from cli.terminal.installation import load_settings

Answered = TypeVar("Answered")


def reached(asking: Coroutine[Any, Any, Answered]) -> Answered:
    """Return what a question is answered. Raises CommandFailed where the database cannot be used."""
    try:
        return asyncio.run(asking)
    except CommandFailed:
        raise
    except Exception:
        with importing():
            from cli.terminal.failures import reaching  # noqa: PLC0415 - knows all drivers, and takes its time

        with reaching(load_settings()):
            raise
        raise
