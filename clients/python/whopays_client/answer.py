"""The answer to a command, and waiting for its final result."""

import asyncio
import time
from dataclasses import dataclass, field

from whopays_client.answers import Pending
from whopays_client.envelope import Heard
from whopays_client.errors import NotAnswered, Rejected
from whopays_client.results import CommandCompleted, Outcome


@dataclass(frozen=True)
class Answer:
    """The answer to a command: `completed` is its result, `heard` the same with its envelope.

    If `is_final` is false, whopays has accepted the command (`Scheduled`, `Waiting`), and `final` waits for the final
    result.
    """

    heard: Heard[CommandCompleted]
    _pending: Pending = field(repr=False, compare=False)

    @property
    def completed(self) -> CommandCompleted:
        """The result."""
        return self.heard.event

    @property
    def outcome(self) -> Outcome:
        """`Applied`, `Unchanged`, `Scheduled`, `Waiting` or `Rejected`."""
        return self.completed.outcome

    @property
    def command_id(self) -> str:
        """The id that the command was sent under."""
        return self.completed.command_id

    @property
    def is_final(self) -> bool:
        """Whether no further result follows."""
        return not self.completed.is_interim

    def expect(self) -> CommandCompleted:
        """Return the result. Raises Rejected if the command was rejected."""
        if self.outcome == "Rejected":
            raise Rejected(self.completed)
        return self.completed

    async def final(self, within_seconds: float | None = None) -> "Answer":
        """Wait for the final result, without limit or for some seconds.

        Raises NotAnswered on timeout. The publisher must still be open; with a new one, get the result by sending the
        same command again under the same id.
        """
        if self.is_final:
            return self
        started = time.monotonic()
        try:
            async with asyncio.timeout(within_seconds):
                # Shielded: other tasks may wait for the same future.
                return Answer(await asyncio.shield(self._pending.final), self._pending)
        except TimeoutError:
            waited = time.monotonic() - started
            raise NotAnswered(*self._pending.identity, waited, is_written=True, interim=self.completed) from None
