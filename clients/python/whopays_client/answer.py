"""What came of a command, and the wait for the rest of it."""

import asyncio
import time
from dataclasses import dataclass, field

from whopays_client.answers import Pending
from whopays_client.envelope import Heard
from whopays_client.errors import NotAnswered, Rejected
from whopays_client.results import CommandCompleted, Outcome


@dataclass(frozen=True)
class Answer:
    """What came of a command: `completed` is its result, `heard` the same with its envelope.

    Where `is_final` is false, whopays has taken the command up (`Scheduled`, `Waiting`), and `final` waits for the
    rest.
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
        """Return the result. Raises Rejected where the command was refused."""
        if self.outcome == "Rejected":
            raise Rejected(self.completed)
        return self.completed

    async def final(self, within_seconds: float | None = None) -> "Answer":
        """Wait for the final result, as long as it takes or for some seconds.

        Raises NotAnswered when the time is up. The publisher must still be open: a later one gets the same by sending
        the same command again, under the same id.
        """
        if self.is_final:
            return self
        started = time.monotonic()
        try:
            async with asyncio.timeout(within_seconds):
                # Shielded: others may wait for the same.
                return Answer(await asyncio.shield(self._pending.final), self._pending)
        except TimeoutError:
            waited = time.monotonic() - started
            raise NotAnswered(*self._pending.identity, waited, is_written=True, interim=self.completed) from None
