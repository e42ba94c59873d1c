"""Probes of a process of workers: liveness, readiness and startup."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from workers.runtime.turns import Turns

_DATABASE_SECONDS = 2.0
_ANSWER_SECONDS = 3.0
_KAFKA_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Probed:
    """The answer to a probe: a status, and what is wrong, if anything."""

    status: str
    troubles: tuple[str, ...] = ()

    @property
    def body(self) -> bytes:
        """The answer's body, JSON."""
        document = {"status": self.status} | ({"troubles": self.troubles} if self.troubles else {})
        return json.dumps(document).encode()


Probe = Callable[[], Probed]


class Probes:
    """Answers probes, from a separate thread, because the one that does the work may hang."""

    def __init__(self, turns: Turns, engine: AsyncEngine, hang_seconds: float, others: Callable[[], list[str]]) -> None:
        """`others` returns other reasons why the process cannot work at the moment, in words."""
        self._turns = turns
        self._engine = engine
        self._hang_seconds = hang_seconds
        self._others = others
        self._loop = asyncio.get_running_loop()
        self._kafka_answered = 0.0

    @property
    def by_path(self) -> Mapping[str, Probe]:
        """The probes by path."""
        return {"/livez": self.live, "/readyz": self.ready, "/startupz": self.started}

    def kafka_answered(self) -> None:
        """Record that a broker has just answered."""
        self._kafka_answered = time.monotonic()

    def live(self) -> Probed:
        """Check that no role hangs. Servers that are unavailable are no reason to restart the process."""
        hanging = self._turns.hanging(self._hang_seconds)
        return _probed("alive", [f"{role} hangs" for role in hanging])

    def started(self) -> Probed:
        """Check that every role has started to work."""
        return _probed("started", [f"{role} has not begun" for role in self._turns.waiting_to_begin()])

    def ready(self) -> Probed:
        """Check that every role has started, none hangs, and both servers answer."""
        troubles = [*self.live().troubles, *self.started().troubles, *self._others()]
        if time.monotonic() - self._kafka_answered > _KAFKA_SECONDS:
            troubles.append("Kafka does not answer")
        asking = asyncio.run_coroutine_threadsafe(self._ask_database(), self._loop)
        try:
            asking.result(_ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001 (whatever it is, the database does not answer)
            asking.cancel()
            troubles.append(f"the database does not answer: {type(error).__name__}")
        return _probed("ready", troubles)

    async def _ask_database(self) -> None:
        async with asyncio.timeout(_DATABASE_SECONDS), self._engine.connect() as connection:
            await connection.execute(text("SELECT FROM shards LIMIT 1"))


def _probed(status: str, troubles: list[str]) -> Probed:
    return Probed(f"not {status}", tuple(troubles)) if troubles else Probed(status)
