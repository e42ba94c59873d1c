"""The command line as a function: what it printed, and how it ended."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from typer.testing import CliRunner

from cli.program import app
from tests.support.installations import Installation


@dataclass(frozen=True)
class Ran:
    """What a command line printed and returned; `fault` is an exception that was not turned into words."""

    status: int
    out: str
    err: str
    fault: BaseException | None

    @property
    def document(self) -> Any:
        """The output, parsed as JSON."""
        return json.loads(self.out)

    def expect(self, status: int) -> "Ran":
        """Assert the exit status, and that there is no traceback."""
        assert self.status == status, f"{self.status}\n{self.out}\n{self.err}\n{self.fault!r}"
        assert self.fault is None or isinstance(self.fault, SystemExit)
        return self


Whopays = Callable[..., Awaitable[Ran]]


def whopays_of(installation: Installation) -> Whopays:
    """Return a runner of command lines for an installation; `environment` sets variables, `given` is the input."""

    async def run(*arguments: str, given: str | None = None, **environment: str) -> Ran:
        variables = installation.environment(**environment)
        try:
            invoked = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=given, env=variables)
        finally:
            # A command may have directed the log to its standard error, which is closed now.
            structlog.reset_defaults()
        return Ran(invoked.exit_code, invoked.stdout, invoked.stderr, invoked.exception)

    return run
