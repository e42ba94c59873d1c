"""Queries a server that may be down: returns its answer, or a failed check."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from cli.operating.standing import Section, Standing, Verdict
from cli.terminal.ending import CommandFailed
from cli.terminal.failures import reaching
from workers.runtime.settings import Settings

Answer = TypeVar("Answer")

PATIENCE_SECONDS = 20.0


class CannotBeAsked(Exception):
    """A server does not answer; `standing` says which one, why, and what to do."""

    def __init__(self, standing: Standing) -> None:
        super().__init__(standing.words)
        self.standing = standing


async def answer_of(
    asked: Awaitable[Answer], what: str, settings: Settings, seconds: float = PATIENCE_SECONDS
) -> Answer:
    """Return the answer of a server. Raises CannotBeAsked, also after `seconds` without an answer."""
    try:
        with reaching(settings):
            try:
                async with asyncio.timeout(seconds):
                    return await asked
            except TimeoutError:
                raise CommandFailed(f"It did not answer within {seconds:.0f} s.\nLook at the server.") from None
    except CommandFailed as failed:
        first, _, rest = str(failed).partition("\n")
        unknown = Standing(Verdict.UNKNOWN, what, f"{first}.".replace("..", "."), rest, Section.SERVER_AWAY)
        raise CannotBeAsked(unknown) from failed
