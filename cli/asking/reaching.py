"""How the commands that only query reach the database. Imports nothing slow."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from cli.terminal.ending import CommandFailed, importing
from cli.terminal.installation import load_settings

Answered = TypeVar("Answered")


def reached(asking: Coroutine[Any, Any, Answered]) -> Answered:
    """Run a query and return its answer. Raises CommandFailed if the database cannot be used."""
    try:
        return asyncio.run(asking)
    except CommandFailed:
        raise
    except Exception:
        with importing():
            from cli.terminal.failures import reaching  # noqa: PLC0415 - imports all drivers, which is slow

        with reaching(load_settings()):
            raise
        raise
