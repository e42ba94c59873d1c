"""Those who ask while something breaks: of several organizations all the time, and by streams that are resumed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx

from tests.faults.questions.judging import due_events, judged
from tests.faults.questions.noted import Answer, Listing, Noted, Place, Stream, place_of
from tests.faults.questions.published import published
from tests.faults.questions.servers import Servers
from tests.faults.speaking import ACCOUNTS, PROJECTS
from tests.support.installations import Installation
from tests.support.waiting import until

_PAUSE_SECONDS, _RETRY_SECONDS = 0.05, 0.1
_EVENTS_OF_A_CONNECTION = 40
_REMEMBERED = 20
_LIMIT, _MOST_PAGES = 2, 50


class Asker:
    """One who asks about an organization, one question after another."""

    def __init__(self, servers: Servers, noted: Noted, organization: str, seed: int) -> None:
        self._servers = servers
        self._noted = noted
        self._chance = Random(seed)
        self._answers: list[Answer] = []
        self._tags: dict[str, dict[str, Any]] = {}
        self._settled: list[tuple[str, str]] = []
        self._root = f"/v1/organizations/{organization}"
        self.organization = organization
        self.as_of: Place | None = None
        noted.answers.append(self._answers)

    async def go_on(self) -> None:
        """Ask until cancelled."""
        questions = (
            self.project, self.listed, self.payer, self.payer_then, self.what_comes_next, self.event_page, self.pages,
            self.closed,
        )  # fmt: skip
        while True:
            await self._chance.choice(questions)()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def project(self, name: str | None = None, **wanted: str) -> Answer | None:
        """Ask for a project, unless nothing changed."""
        return await self.ask(f"{self._root}/projects/{name or self._chance.choice(PROJECTS)}", **wanted)

    async def listed(self) -> Answer | None:
        """Ask for all projects, unless nothing changed."""
        return await self.ask(f"{self._root}/projects", limit="1000")

    async def payer(self, name: str | None = None, **wanted: str) -> Answer | None:
        """Ask who pays; the instant is asked for again later."""
        found = await self.ask(f"{self._root}/projects/{name or self._chance.choice(PROJECTS)}/payer", **wanted)
        if found is not None and found.status == 200:
            self._settled.append((found.document["project"], found.document["at"]))
            del self._settled[:-_REMEMBERED]
        return found

    async def payer_then(self) -> None:
        """Ask who paid at an instant that was asked for before."""
        if self._settled:
            name, at = self._chance.choice(self._settled)
            await self.ask(f"{self._root}/projects/{name}/payer", at=at)

    async def what_comes_next(self) -> None:
        """Ask for what knows an event that is still to come."""
        if self.as_of is not None:
            shard, position = self.as_of
            await self.project(atLeast=f"{shard}-{position + 1}")

    async def closed(self) -> None:
        """Ask for what is settled about an instant that was not, perhaps."""
        if self._settled:
            name, at = self._chance.choice(self._settled)
            await self.ask(f"{self._root}/projects/{name}/payer", at=at, closedAtLeast=at)

    async def event_page(self) -> None:
        """Ask for events of not long ago."""
        if self.as_of is not None:
            shard, position = self.as_of
            after = max(0, position - self._chance.randrange(30))
            await self.ask(f"{self._root}/events", after=f"{shard}-{after}", limit=str(self._chance.randint(1, 20)))

    async def pages(self, account: str | None = None) -> None:
        """Ask for all pages of what an account pays for."""
        account = account or self._chance.choice(ACCOUNTS)
        first = self.as_of
        cursor: dict[str, str] = {}
        names: list[str] = []
        for _ in range(0 if first is None else _MOST_PAGES):
            path = f"{self._root}/projects"
            found = await self.ask(path, account=account, limit=str(_LIMIT), **cursor)
            if found is None or found.status not in (200, 304) or found.as_of is None or found.document is None:
                return
            names += [one["project"] for one in found.document["items"]]
            if found.document["next"] is None:
                assert first is not None
                self._noted.listings.append(Listing(self.organization, account, names, first, found.as_of))
                return
            cursor = {"cursor": found.document["next"]}

    async def ask(self, path: str, **wanted: str) -> Answer | None:
        """Ask, and note the answer; None where there is none, which is noted unless the server had been killed."""
        known = self._tags.setdefault(path, {})
        headers = {"if-none-match": ", ".join(known)} if known else {}
        number = self._servers.number
        try:
            client = self._servers.client
            response = await client.get(path, params=wanted, headers=headers)
        except httpx.TransportError as error:
            await asyncio.sleep(_RETRY_SECONDS)
            if number == self._servers.number and not self._servers.is_breakable:
                self._noted.odd.append(f"{path}: {error!r}")
            return None
        answer = self._answer(number, path, wanted, response, known)
        self._answers.append(answer)
        self.as_of = answer.as_of or self.as_of
        return answer

    def _answer(
        self, number: int, path: str, wanted: dict[str, str], response: httpx.Response, known: dict[str, Any]
    ) -> Answer:
        tag = response.headers.get("etag")
        document = known.get(tag) if response.status_code == 304 else response.json()
        if document is None:
            self._noted.odd.append(f"{path} {wanted}: 304 for {tag}, which nobody knew")
        if tag is not None:
            known[tag] = document
            while len(known) > _REMEMBERED:
                del known[next(iter(known))]
        as_of = response.headers.get("whopays-as-of")
        return Answer(
            server=number,
            organization=self.organization,
            path=path,
            wanted=wanted,
            status=response.status_code,
            as_of=None if as_of is None else place_of(as_of),
            closed=response.headers.get("whopays-closed-until"),
            document=document,
        )


class Listener:
    """One who reads an organization's stream, and resumes it whenever it ends."""

    def __init__(self, servers: Servers, stream: Stream, most: int = _EVENTS_OF_A_CONNECTION) -> None:
        self._servers = servers
        self._most = most
        self.stream = stream
        self.connections = 0

    async def go_on(self) -> None:
        """Read until cancelled."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                await self._read()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _read(self) -> None:
        """Read a connection until it ends, or some events have come."""
        path = f"/v1/organizations/{self.stream.organization}/events"
        headers = {"accept": "text/event-stream", "last-event-id": self.stream.last}
        async with self._servers.client.stream("GET", path, headers=headers) as response:
            if response.status_code != 200:
                return
            self.connections += 1
            came, event_id = 0, ""
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    event_id = value
                elif name == "data":
                    self.stream.events.append((event_id, value.encode()))
                    came += 1
                    if came >= self._most:
                        return


class Asking:
    """Askers and listeners of some organizations."""

    def __init__(self, installation: Installation, servers: Servers) -> None:
        self._installation = installation
        self.servers = servers
        self.noted = Noted()
        self.listeners: list[Listener] = []

    def asker(self, organization: str, seed: int = 0) -> Asker:
        """Return another asker."""
        return Asker(self.servers, self.noted, organization, seed)

    def listener(self, organization: str, after: Place, most: int = _EVENTS_OF_A_CONNECTION) -> Listener:
        """Return another listener."""
        stream = Stream(organization, after)
        self.noted.streams.append(stream)
        listener = Listener(self.servers, stream, most)
        self.listeners.append(listener)
        return listener

    async def findings(self, seconds: float = 45) -> list[str]:
        """Return what is wrong with what was answered, once all is published and streams have told it, or in time."""
        log = await published(self._installation.engine)

        due = [(one.events, due_events(one, log)) for one in self.noted.streams]

        async def is_told_or_wrong() -> bool:
            # Only the last one is looked at, since who is behind reads in this process too; all are judged after it.
            return all(len(told) >= len(wanted) for told, wanted in due) or any(
                told and told[-1] != wanted[len(told) - 1] for told, wanted in due if len(told) <= len(wanted)
            )

        try:
            await until(is_told_or_wrong, "streams", seconds)
        except AssertionError:
            behind = [f"{one.organization} at {one.last}" for one in self.noted.streams]
            return ["streams tell each event once: they never tell the last ones: " + ", ".join(behind)]
        return judged(self.noted, log)


@asynccontextmanager
async def asked_all_the_time(
    installation: Installation,
    organizations: Mapping[str, Place],
    *,
    seed: int = 0,
    module: str = "cli",
    **environment: str,
) -> AsyncIterator[Asking]:
    """Ask a server of an installation for the length of a block, about organizations, whose streams begin there.

    Call `findings` within, when all has come to rest.
    """
    async with Servers(installation, module=module, **environment) as servers:
        asking = Asking(installation, servers)
        tasks = []
        for number, (organization, after) in enumerate(organizations.items()):
            tasks.append(asyncio.create_task(asking.asker(organization, seed + number).go_on()))
            tasks.append(asyncio.create_task(asking.listener(organization, after).go_on()))
        try:
            yield asking
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for one in ended:
            if not isinstance(one, asyncio.CancelledError):
                raise AssertionError("an asker failed") from one
