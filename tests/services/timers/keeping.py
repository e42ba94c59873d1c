"""A whopays on a real database without a broker: batches run one after another, and timers run in the test's loop."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.records import Record
from schemas.topics import Topic
from tests.support.batches import nothing_kept
from tests.support.installations import KEYS
from tests.support.saying import ORGANIZATION, account, bind, profile, project, read
from tests.support.waiting import patience, until
from workers.batches.transaction import Batches
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.timers import Timers

_ROLES = {
    Topic.PROJECTS: Role.PROJECTS,
    Topic.PAYMENT_PROFILES: Role.PAYMENT_PROFILES,
    Topic.ADMIN_COMMANDS: Role.ADMIN_COMMANDS,
}
_BATCH = 2000

Event = dict[str, Any]


class Keeper:
    """Takes in records as the consumers do, and shows what the log says about an organization."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.settings = Settings(encryption_keys=json.loads(KEYS))
        self.batches = self._batches(asyncio.Event())

    async def hear(self, *records: Record) -> None:
        """Process records in order, a batch for each run of records of one topic."""
        for topic, run in groupby(records, key=lambda record: Topic(record.topic)):
            same = list(run)
            for first in range(0, len(same), _BATCH):
                await self.batches.process(_ROLES[topic], same[first : first + _BATCH], read)

    async def establish(self, accounts: Sequence[str], projects: Sequence[str], payer: str | None = None) -> None:
        """Make accounts Ready, and projects Active and, when a payer is named, bound to it."""
        await self.hear(profile(), *(account(name) for name in accounts), *(project(name) for name in projects))
        if payer is not None:
            await self.hear(*(bind(name, payer, f"first-{name}") for name in projects))

    @asynccontextmanager
    async def timers(self, number: int = 1, metrics: Metrics | None = None) -> AsyncIterator[None]:
        """Run timer workers for the length of a block."""
        stopping = asyncio.Event()
        batches = self._batches(stopping)
        running = [
            asyncio.create_task(Timers(self.engine, self.settings, batches, metrics or Metrics(), stopping).run())
            for _ in range(number)
        ]
        try:
            yield
        finally:
            stopping.set()
            await asyncio.gather(*running)

    async def log(self, organization: str = ORGANIZATION) -> list[Event]:
        """Return all events of an organization in the order of its shard's log."""
        values = await self.all("SELECT value FROM log ORDER BY shard, position")
        return [event for event in map(orjson.loads, values) if event["data"].get("organization") == organization]

    async def results(self, organization: str = ORGANIZATION) -> dict[str, list[str]]:
        """Return the outcomes of each command in order; for a refusal, its reasons."""
        found: dict[str, list[str]] = {}
        for event in await self.log(organization):
            data = event["data"]
            if "commandId" in data:
                reasons = ", ".join(violation["reason"] for violation in data["violations"])
                found.setdefault(data["commandId"], []).append(reasons or data["outcome"])
        return found

    async def notices(self, organization: str = ORGANIZATION) -> list[tuple[str, str, str | None]]:
        """Return project, kind and account of all notices, in order."""
        return [
            (event["data"]["project"], event["data"]["kind"], event["data"]["account"])
            for event in await self.log(organization)
            if event["type"].endswith("ProjectBillingNotice.v1")
        ]

    async def instant(self, later: str = "0") -> datetime:
        """Return the instant by the database's clock, or one that is later by an interval: longer on a busy machine."""
        (instant,) = await self.all(f"SELECT clock_timestamp() + {patience(1):.3f} * interval '{later}'")
        assert isinstance(instant, datetime)
        return instant

    async def past(self, instant: datetime) -> None:
        """Wait until an instant has passed by the database's clock."""

        async def look() -> bool:
            return await self.instant() > instant

        await until(look, "an instant")

    async def nothing_left(self) -> None:
        """Wait until nothing is pending, no profile is about to expire, and no fan-out is unfinished."""

        async def look() -> bool:
            left = await self.all(
                "SELECT (SELECT count(*) FROM pending_bindings) + (SELECT count(*) FROM fan_outs)"
                " + (SELECT count(*) FROM payment_profiles WHERE due_at IS NOT NULL)"
            )
            return left == [0]

        await until(look, "the timers")

    async def all(self, statement: str) -> list[Any]:
        """Return the first column of a query."""
        async with self.engine.connect() as connection:
            return list((await connection.execute(text(statement))).scalars())

    async def alter(self, *statements: str) -> None:
        """Change the database itself."""
        async with self.engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    def _batches(self, stopping: asyncio.Event) -> Batches:
        return Batches(self.engine, self.settings, self.settings.keys(), Metrics(), stopping, nothing_kept)
