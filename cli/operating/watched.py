"""Collects the data of `whopays top` from database, Kafka and processes, independently: one may be down."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http.client import HTTPException

from sqlalchemy.ext.asyncio import AsyncEngine

from cli.operating.answering import CannotBeAsked, answer_of
from cli.operating.known import STATEMENT_SECONDS, is_answering, of_database
from cli.operating.reached import of_consumer, seen_of_kafka
from cli.operating.scraping import AtWork, Told, address_of, at_work, rate_of, told_by
from cli.operating.standing import Section, Standing, Verdict
from cli.operating.waiting import Look, Waiting, looking
from db.at_work import OpenFanOut, Slot, Totals, open_fan_outs, publishing_slots, totals
from db.dead_letters import Choice, KeptDeadLetter, list_dead_letters
from db.reading import create_reading_engine
from db.replays import KeptReplay, list_replays
from db.watching import unpublished_age
from schemas.replays import ReplayState
from schemas.topics import INPUT_TOPICS, Topic
from workers.runtime.settings import Settings

_RATED = 6
"""Over how many looks a rate is averaged, because a single one fluctuates."""
_LISTED = 3
_PATIENCE_SECONDS = 6.0
"""How long without an answer until a server counts as down; until then, the screen keeps its last data."""


@dataclass(slots=True)
class View:
    """The last data seen. `standings` are by source; what is unknown is empty or None.

    Rates are per second: `decided` by input topic, and `published`.
    `held_seconds` is how long each slot has been seen with the same holder.
    """

    installation: str
    standings: dict[str, Sequence[Standing]] = field(default_factory=dict)
    waiting: Sequence[Waiting] = ()
    slots: Sequence[Slot] = ()
    held_seconds: Mapping[int, float] = field(default_factory=dict)
    decided: dict[Topic, float] = field(default_factory=dict)
    published: float | None = None
    unpublished: int | None = None
    unpublished_seconds: float = 0.0
    fan_outs: Sequence[OpenFanOut] = ()
    replays: Sequence[KeptReplay] = ()
    letters: Sequence[KeptDeadLetter] = ()
    at_work: Mapping[str, Sequence[AtWork]] = field(default_factory=dict)
    outcomes: Mapping[str, float] = field(default_factory=dict)


class Watched:
    """Polls an installation; `changed` is set after each look."""

    def __init__(self, settings: Settings, urls: Sequence[str], every: float) -> None:
        self.view = View(settings.installation)
        self.changed = asyncio.Event()
        self._settings = settings
        self._urls = urls
        self._every = every
        self._engine = create_reading_engine(settings.database_url, pool_size=2, statement_seconds=STATEMENT_SECONDS)
        self._is_there = False
        self._totals: deque[Totals] = deque(maxlen=_RATED)
        self._held: dict[int, tuple[str, float]] = {}
        self._told: dict[str, deque[Told]] = {url: deque(maxlen=_RATED) for url in urls}
        self._kafka = AsyncExitStack()
        self._look: Look | None = None

    async def watch(self) -> None:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as looks:
            for look in (self._see_database, self._see_kafka, self._see_processes):
                looks.create_task(self._again(look))

    async def look_once(self) -> None:
        """Look at everything once."""
        await self._see_database()
        await asyncio.gather(self._see_kafka(), self._see_processes())

    async def close(self) -> None:
        """Close all connections."""
        await self._kafka.aclose()
        await self._engine.dispose()

    async def _again(self, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            await look()
            self.changed.set()
            await asyncio.sleep(self._every)

    async def _see_database(self) -> None:
        try:
            await answer_of(self._ask_database(self._engine), "database", self._settings, _PATIENCE_SECONDS)
        except CannotBeAsked as away:
            self._is_there = False
            self._totals.clear()
            self.view.standings["database"] = [away.standing]
            self.view.published = self.view.unpublished = None
            self.view.decided, self.view.slots = {}, ()
            self.view.fan_outs, self.view.replays, self.view.letters = (), (), ()

    async def _ask_database(self, engine: AsyncEngine) -> None:
        view = self.view
        found = await of_database(engine, self._settings)
        if is_answering(found):
            async with engine.connect() as connection:
                self._totals.append(await totals(connection))
                view.unpublished_seconds = await unpublished_age(connection)
                view.slots = await publishing_slots(connection)
                view.fan_outs = await open_fan_outs(connection, _LISTED)
                replays = await list_replays(connection, limit=20)
                view.letters = await list_dead_letters(connection, Choice(), limit=_LISTED)
            unfinished = (ReplayState.RUNNING, ReplayState.FAILED)
            view.replays = [one for one in replays if one.state in unfinished][:_LISTED]
            self._note_rates()
            self._note_holders()
        self._is_there = is_answering(found)
        view.standings["database"] = found

    def _note_rates(self) -> None:
        first, last = self._totals[0], self._totals[-1]
        self.view.unpublished = last.events - last.published
        seconds = (last.at - first.at).total_seconds()
        if seconds <= 0:
            return
        self.view.published = max(0.0, (last.published - first.published) / seconds)
        for topic in INPUT_TOPICS:
            name = self._settings.topic(topic)
            rose = last.decided.get(name, 0) - first.decided.get(name, 0)
            self.view.decided[topic] = max(0.0, rose / seconds)

    def _note_holders(self) -> None:
        now, before = time.monotonic(), self._held
        holders = {one.number: one.holder for one in self.view.slots if one.holder is not None}
        self._held = {
            number: before[number] if number in before and before[number][0] == holder else (holder, now)
            for number, holder in holders.items()
        }
        self.view.held_seconds = {number: now - since for number, (_, since) in self._held.items()}

    async def _see_kafka(self) -> None:
        try:
            topics, waiting = await answer_of(self._ask_kafka(), "Kafka", self._settings, _PATIENCE_SECONDS)
        except CannotBeAsked as away:
            self.view.standings["Kafka"], self.view.waiting = [away.standing], ()
            await self._drop_kafka_clients()
        else:
            self.view.waiting = waiting
            self.view.standings["Kafka"] = [topics, *(of_consumer(one, self._settings) for one in waiting)]

    async def _ask_kafka(self) -> tuple[Standing, Sequence[Waiting]]:
        if self._look is None:
            self._look = await self._kafka.enter_async_context(looking(self._settings))
        return await seen_of_kafka(self._look, self._engine if self._is_there else None)

    async def _drop_kafka_clients(self) -> None:
        """Make the next look reconnect: clients that have lost their broker are slow to notice that it is back."""
        self._look = None
        broken, self._kafka = self._kafka, AsyncExitStack()
        await broken.aclose()

    async def _see_processes(self) -> None:
        seen = await asyncio.gather(*(asyncio.to_thread(_told_or_away, url) for url in self._urls))
        pairs, standings, at_work_now = [], [], {}
        for url, told in zip(self._urls, seen, strict=True):
            before = self._told[url]
            if isinstance(told, Standing):
                standings.append(told)
                before.clear()
                continue
            if before:
                pairs.append((before[0], told))
            at_work_now[url] = at_work(url, before[0] if before else None, told)
            before.append(told)
        self.view.standings["processes"] = standings
        self.view.at_work = at_work_now
        self.view.outcomes = rate_of("whopays_commands_total", pairs, "outcome")


def _told_or_away(url: str) -> Told | Standing:
    try:
        return told_by(url)
    except (OSError, HTTPException, ValueError) as error:
        words = f"No metrics can be read there: {error}."
        to_do = "Check that it runs, and that the address is right."
        return Standing(Verdict.TROUBLE, address_of(url), words, to_do, Section.PROBES)
