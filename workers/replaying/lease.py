"""The lease of a replay: which process works on it, and whether it may continue."""

import contextlib
import os
import socket
import time
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from db.errors import is_transient
from db.replays import fail_replay, give_up_replay, keep_replay, owner_of_replay, take_replay
from schemas.replays import ReplayState
from workers.replaying.refusal import ReplayTaken
from workers.runtime.settings import Settings

_RENEW_SECONDS = 1.0


class Halted(Exception):
    """The replay was stopped, was marked as failed, or this process is to end."""

    def __init__(self, state: ReplayState) -> None:
        self.state = state


class Lease:
    """Held by the process that works on a replay. For liveness only: exactness comes from Kafka.

    `usual_rate` is the limit in events per second if the replay sets none; None is unlimited.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings, name: str, usual_rate: int | None) -> None:
        self._engine = engine
        self._name = name
        self._seconds = settings.relay_lease_seconds
        self._usual_rate = usual_rate
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._renewed = 0.0
        self.was_held = False
        """Whether this process has ever held it."""
        self.rate: int | None = None
        """The limit in events per second, as of the last time it was taken or renewed."""

    @property
    def is_due(self) -> bool:
        """Whether it is time to renew the lease."""
        return time.monotonic() - self._renewed > min(_RENEW_SECONDS, self._seconds / 3)

    async def take(self) -> None:
        """Take the lease. Raises ReplayTaken while another process has it, and Halted unless the replay is running."""
        async with self._engine.begin() as connection:
            taken = await take_replay(connection, self._name, self._owner, self._seconds)
        if taken is None:
            raise ReplayTaken(f"Another process works on the replay {self._name}.")
        self.was_held = True
        self._go_by(*taken)

    async def renew(self, records: int, looked_at: int) -> None:
        """Renew the lease, and store how many records were replayed and how many positions were read.

        Raises ReplayTaken if another process has taken it, and Halted like `take`.
        """
        async with self._engine.begin() as connection:
            kept = await keep_replay(connection, self._name, self._owner, self._seconds, records, looked_at)
        if kept is None:
            raise ReplayTaken(f"Another process took the replay {self._name} over: this one ends.")
        self._go_by(*kept)

    async def is_held(self) -> bool:
        """Return whether no other process has taken the lease; True if the database cannot be queried."""
        try:
            async with self._engine.connect() as connection:
                return await owner_of_replay(connection, self._name) == self._owner
        except Exception as error:
            if not is_transient(error):
                raise
            return True

    async def fail(self, why: str) -> None:
        """Mark the replay as failed."""
        async with self._engine.begin() as connection:
            await fail_replay(connection, self._name, self._owner, why)

    async def give_up(self) -> None:
        """Release the lease, so that another process can take it at once."""
        with contextlib.suppress(Exception):  # it expires anyway
            async with self._engine.begin() as connection:
                await give_up_replay(connection, self._name, self._owner)

    def _go_by(self, state: ReplayState, rate: int | None) -> None:
        self._renewed = time.monotonic()
        self.rate = rate or self._usual_rate
        if state is not ReplayState.RUNNING:
            raise Halted(state)
