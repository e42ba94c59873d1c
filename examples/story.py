"""What happens in `make examples`, and in its test: pipelines at work on a running whopays, killed in between."""

import asyncio
import contextlib
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from examples import invoicing
from examples.payments import WARNINGS
from examples.usage import ENRICHED, USAGE
from whopays_client import (
    BindProject,
    Connection,
    CreateAccount,
    PaymentProfileChanged,
    PaymentTerms,
    ProjectChanged,
    Publisher,
    Replays,
    SuspendAccount,
)

ORGANIZATION = "acme"
Said = dict[str, Any]
_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_LOOK_AGAIN_SECONDS = 0.1
_WARNINGS = "SELECT project, account, event_id FROM warnings ORDER BY project, event_id"
_ROLLUPS = "SELECT account, day, meter, quantity, records FROM rollups ORDER BY 1, 2, 3"


@dataclass
class Outcome:
    """What was sent, and what came of it."""

    sent: list[Said] = field(default_factory=list)
    rollups: list[tuple[Any, ...]] = field(default_factory=list)
    backfilled: list[tuple[Any, ...]] = field(default_factory=list)
    quarantine: list[tuple[Any, ...]] = field(default_factory=list)
    warnings: list[tuple[Any, ...]] = field(default_factory=list)
    period: tuple[datetime, datetime] = (datetime.min, datetime.min)  # noqa: DTZ901 - replaced by the story
    invoices: dict[str, list[Said]] = field(default_factory=dict)


class Story:
    """Plays on one installation; stores are files in `folder`, `tell` is given a line about each step.

    `whopays` are the words that call its command line, for the replay.
    """

    def __init__(
        self, connection: Connection, folder: Path, tell: Callable[[str], None], whopays: Sequence[str]
    ) -> None:
        self.connection = connection
        self.folder = folder
        self.tell = tell
        self.whopays = whopays
        self.outcome = Outcome()
        self._publisher: Publisher
        self._producer: AIOKafkaProducer

    async def play(self) -> Outcome:
        """Play all of it. Raises whatever goes wrong."""
        async with AsyncExitStack() as stack:
            await self._make_topics()
            self._publisher = await stack.enter_async_context(
                Publisher(self.connection, "/console", person="ada", wait_seconds=60)
            )
            self._producer = AIOKafkaProducer(bootstrap_servers=self.connection.bootstrap_servers)
            stack.push_async_callback(self._producer.stop)
            await self._producer.start()
            begin = await self._begin()
            async with self.pipeline("payments"):
                moved = await self._use(begin)
            await self._correct(begin, moved)
            await self._suspend()
            await self._invoice(begin, moved)
            await self._backfill()
        return self.outcome

    async def _begin(self) -> datetime:
        self.tell("Acme has two accounts, research and product, and three projects; nobody pays for the lab.")
        card = PaymentProfileChanged(
            organization=ORGANIZATION, payment_profile="card", kind="CreditCard", state="Valid", version=1
        )
        await self._publisher.report(card)
        for account, days in (("research", 30), ("product", 14)):
            command = CreateAccount(
                organization=ORGANIZATION, account=account, currency_code="EUR", payment_profile="card",
                payment_terms=PaymentTerms(net_days=days),
            )  # fmt: skip
            (await self._publisher.send(command)).expect()
        for project in ("web", "api", "lab"):
            await self._publisher.report(
                ProjectChanged(organization=ORGANIZATION, project=project, state="Active", version=1)
            )
        await self._bind("api", "product")
        return await self._bind("web", "research")

    async def _use(self, begin: datetime) -> datetime:
        self.tell("Usage arrives, at every millisecond of the first second, and for the lab, which nobody pays.")
        records = [
            self._used(f"u-{number}", ("web", "api")[number % 2], begin + number * _MILLISECOND, f"0.{number:03d}")
            for number in range(1000)
        ]
        await self._send(*records, self._used("lab", "lab", begin, "7"))
        async with self.pipeline("usage"):
            await self._until("usage", "SELECT count(*) > 0 FROM rollups")
            self.tell("The usage pipeline is killed (SIGKILL) in the middle of it.")
        self.tell("Meanwhile the product account takes the web project over.")
        moved = await self._bind("web", "product")
        self.tell("Usage around that instant arrives before, at, and after it, to the microsecond.")
        instants = enumerate((moved - _MICROSECOND, moved, moved + _MICROSECOND))
        await self._send(*(self._used(f"m-{number}", "web", at, "1000000.000001") for number, at in instants))
        return moved

    async def _correct(self, begin: datetime, moved: datetime) -> None:
        self.tell("Late records, repeats and corrections: of a quantity, of an instant, and of the wrong project, lab.")
        await self._send(
            *self.outcome.sent[:100],
            self._used("late", "web", begin, "0.000001"),
            self._used("u-0", "web", begin, "5", revision=2),
            self._used("u-2", "web", moved, "0.25", revision=2),
            self._used("lab", "api", moved, "7", revision=2),
            self._used("nobody", "lab", moved, "1"),
        )
        last = self._used("last", "web", moved + 1000 * _MILLISECOND, "1")
        await self._send(last)
        async with self.pipeline("usage"):
            await self._all_is_decided("usage")
        self.outcome.rollups = self.rows("usage", _ROLLUPS)
        self.outcome.quarantine = self.rows("usage", "SELECT project, id, reason FROM quarantine ORDER BY 1, 2")

    async def _suspend(self) -> None:
        self.tell("The product account is suspended while the payments pipeline is dead; it is started, and told.")
        command = SuspendAccount(
            organization=ORGANIZATION, account="product", reason="PaymentFailure", message="three invoices are unpaid"
        )
        (await self._publisher.send(command)).expect()
        async with self.pipeline("payments"):
            await self._until("payments", "SELECT count(*) = 2 FROM warnings")
            await self._until("payments", "SELECT count(*) = 0 FROM outbox")
        self.outcome.warnings = self.rows("payments", _WARNINGS)

    async def _invoice(self, begin: datetime, moved: datetime) -> None:
        self.tell("All until a second after the web project moved is invoiced, once that is final.")
        self.outcome.period = (begin, moved + timedelta(seconds=1))
        for account in ("research", "product"):
            self.outcome.invoices[account] = await invoicing.run(
                self.connection, str(self.folder / "invoicing.db"), ORGANIZATION, account, self.outcome.period
            )

    async def _backfill(self) -> None:
        self.tell("A new store is filled from a replay, by the same pipeline, with the same usage; it is killed too.")
        await Replays(self.connection, command=self.whopays).start("backfill", types=["BindingChanged"])
        async with self.pipeline("usage", "backfill", store="backfill"):
            await self._until("backfill", "SELECT count(*) > 0 FROM usage")
        async with self.pipeline("usage", "backfill", store="backfill"):
            await self._all_is_decided("backfill")
        self.outcome.backfilled = self.rows("backfill", _ROLLUPS)

    async def _all_is_decided(self, store: str) -> None:
        await self._until(store, "SELECT account IS NOT NULL FROM usage WHERE id = 'last'")
        await self._until(store, "SELECT count(*) = 0 FROM usage WHERE reason = 'NotKnownYet'")
        await self._until(store, "SELECT count(*) = 0 FROM outbox")

    @asynccontextmanager
    async def pipeline(self, name: str, *arguments: str, store: str | None = None) -> AsyncIterator[None]:
        """Run a pipeline in a process, and kill it in the end. Raises RuntimeError where it has ended by itself."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"examples.{name}", self.connection.bootstrap_servers, self.connection.topic_prefix,
            str(self._file(store or name)), *arguments,
            cwd=Path(__file__).parents[1], stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            _, said = await process.communicate()
            if process.returncode != -9:
                raise RuntimeError(f"The pipeline {name} has ended: {said.decode()}")

    def rows(self, store: str, query: str) -> list[tuple[Any, ...]]:
        """Return what is committed in a store."""
        with contextlib.closing(sqlite3.connect(f"file:{self._file(store)}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    async def _until(self, store: str, query: str, seconds: float = 120) -> None:
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(sqlite3.OperationalError):
                    if any(value for (value,) in self.rows(store, query)):
                        return
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _bind(self, project: str, account: str) -> datetime:
        command = BindProject(organization=ORGANIZATION, project=project, account=account, wait_seconds=60)
        answer = await (await self._publisher.send(command)).final(60)
        answer.expect()
        return answer.heard.time

    def _used(self, name: str, project: str, at: datetime, quantity: str, revision: int = 1) -> Said:
        return {
            "organization": ORGANIZATION, "id": name, "revision": revision, "project": project, "meter": "cpu",
            "quantity": quantity, "at": at.isoformat(timespec="microseconds"),
        }  # fmt: skip

    async def _send(self, *records: Said) -> None:
        self.outcome.sent += records
        topic = self.connection.topic(USAGE)
        sending = [
            await self._producer.send(topic, json.dumps(one).encode(), key=ORGANIZATION.encode()) for one in records
        ]
        await asyncio.gather(*sending)

    async def _make_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.connection.bootstrap_servers)
        try:
            await admin.start()
            names = map(self.connection.topic, (USAGE, ENRICHED, WARNINGS))
            await admin.create_topics([NewTopic(name, 1, 1) for name in names])
        finally:
            await admin.close()

    def _file(self, store: str) -> Path:
        return self.folder / f"{store}.db"
