"""A `whopays serve` as clients of Kubernetes see it, and what happens in its database."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from embedded import Addresses
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.parsing import read_command, read_fact
from schemas.policy import OperatorPolicy
from schemas.topics import Topic
from tests.support.batches import batches, records
from tests.support.installations import database
from tests.support.messages import Said
from tests.support.processes import DIE_WITH_PARENT
from tests.support.waiting import patience
from workers.batches.transaction import Batches
from workers.runtime.roles import Role

BILLING = "/apis/billing.milo.io/v1alpha1"
RESOURCES = "/apis/resources.milo.io/v1alpha1"

_LIMIT = 1_000_000
_READ: dict[Topic, tuple[Role, Any]] = {
    Topic.PROJECTS: (Role.PROJECTS, partial(read_fact, model=ProjectChanged, max_value_bytes=_LIMIT)),
    Topic.PAYMENT_PROFILES: (
        Role.PAYMENT_PROFILES,
        partial(read_fact, model=PaymentProfileChanged, max_value_bytes=_LIMIT),
    ),
    Topic.ADMIN_COMMANDS: (
        Role.ADMIN_COMMANDS,
        partial(read_command, max_value_bytes=_LIMIT, policy=OperatorPolicy()),
    ),
}


@dataclass
class Cluster:
    """A server: its address, a client of it, and its database."""

    url: str
    client: httpx.AsyncClient
    engine: AsyncEngine
    batches: Batches
    offset: int = field(default=0)

    async def tell(self, *messages: Said) -> None:
        """Have what others say happen, one message after the other."""
        for message in messages:
            role, read = _READ[message.topic]
            await self.batches.process(role, records(message, offset=self.offset), read)
            self.offset += 1

    async def tell_at_once(self, *messages: Said) -> None:
        """Have commands happen in one transaction."""
        role, read = _READ[messages[0].topic]
        await self.batches.process(role, records(*messages, offset=self.offset), read)
        self.offset += len(messages)

    async def get(self, path: str, status: int = 200, *, accept: str | None = None, **parameters: object) -> Any:
        """Return the document at a path; assert its status."""
        answer = await self.client.get(path, params=_query(parameters), headers=_headers(accept))
        assert answer.status_code == status, answer.text
        return answer.json()

    async def names(self, path: str, **parameters: Any) -> list[str]:
        """Return the names in a list."""
        return [item["metadata"]["name"] for item in (await self.get(path, **parameters))["items"]]

    @asynccontextmanager
    async def watch(self, path: str, *, accept: str | None = None, **parameters: object) -> AsyncIterator["Events"]:
        """Yield the events of a watch, which has begun."""
        query = {"watch": "true", **_query(parameters)}
        async with self.client.stream("GET", path, params=query, headers=_headers(accept)) as answer:
            if answer.status_code != 200:
                await answer.aread()
            assert answer.status_code == 200, answer.text
            yield Events(answer.aiter_lines())


def _query(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return parameters as they are sent; the word `continue` is Python's, so `after` stands for it."""
    return {"continue" if name == "after" else name: str(value) for name, value in parameters.items()}


def _headers(accept: str | None) -> dict[str, str]:
    return {} if accept is None else {"accept": accept}


class Events:
    """The events of a watch, one after the other."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> tuple[str, Any]:
        """Return the next event: its type and its object."""
        async with asyncio.timeout(patience(10)):
            event = orjson.loads(await anext(self._lines))
        return event["type"], event["object"]

    async def several(self, number: int) -> list[tuple[str, Any]]:
        """Return as many events."""
        return [await self.next() for _ in range(number)]

    async def rest(self) -> list[tuple[str, Any]]:
        """Return all that follows until the watch ends."""
        async with asyncio.timeout(patience(60)):
            events = [orjson.loads(line) async for line in self._lines]
        return [(event["type"], event["object"]) for event in events]


@asynccontextmanager
async def running_cluster(services: Addresses, template: str) -> AsyncIterator[Cluster]:
    """Yield a server with a database of its own."""
    async with database(services, template) as (name, url):
        engine = create_engine(url)
        environment = {"WHOPAYS_DATABASE_URL": url, "WHOPAYS_INSTALLATION": name, "WHOPAYS_AUTH": "trusted"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "serve", "--port", "0", "--json"),
            env={**os.environ, **environment},
            preexec_fn=DIE_WITH_PARENT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(patience(60)):
                where = json.loads(await process.stdout.readline())["url"]
            async with httpx.AsyncClient(base_url=where, timeout=patience(30), trust_env=False) as client:
                yield Cluster(where, client, engine, batches(engine))
        finally:
            process.terminate()
            await process.wait()
            await engine.dispose()
