"""Questions about one project, by one client and by many, and what cannot be avoided beside them."""

import asyncio
import time
from collections.abc import Iterator
from itertools import count, cycle

from benchmarks.questions.client import Asked, ask_many, get
from benchmarks.questions.filling import END, Filled
from benchmarks.questions.report import Measured
from benchmarks.questions.served import CONSTANT
from benchmarks.questions.service import Service
from db.questions.payers import PayerQuestion, payers
from db.reading import reading_pool
from workers.runtime.settings import Settings

CLIENTS = 32
_STRIDE = 7_919
"""Prime: neighbours in the order of asking are none in the database."""


async def points(service: Service, settings: Settings, filled: Filled, seconds: float) -> list[Measured]:
    """Measure the payer of a project, the project, a constant, and the bare statement."""
    found = []
    for what, clients, requests, floor in (
        ("a constant, 1 client", 1, cycle([get(CONSTANT)]), None),
        ("payer, 1 client", 1, _payers(filled), "a constant, 1 client"),
        (f"a constant, {CLIENTS} clients", CLIENTS, cycle([get(CONSTANT)]), None),
        (f"payer, {CLIENTS} clients", CLIENTS, _payers(filled), f"a constant, {CLIENTS} clients"),
        (f"project, {CLIENTS} clients", CLIENTS, _projects(filled), f"a constant, {CLIENTS} clients"),
    ):
        await ask_many(service.port, clients, min(1.0, seconds), requests)
        with service.metered() as used:
            asked = await ask_many(service.port, clients, seconds, requests)
        found.append(_measured(what, asked, used.cpu_seconds, floor))
    bare = await _bare(settings, filled, seconds)
    found.append(_measured(f"the statement alone, {CLIENTS} at a time", bare, None, None))
    return found


def _measured(what: str, asked: Asked, cpu_seconds: float | None, floor: str | None) -> Measured:
    return Measured(what, len(asked.times), asked.per_second, asked.times, cpu_seconds, floor=floor)


def _payers(filled: Filled) -> Iterator[bytes]:
    for number in count(step=_STRIDE):
        organization, project = filled.project(number)
        yield get(f"/v1/organizations/{organization}/projects/{project}/payer")


def _projects(filled: Filled) -> Iterator[bytes]:
    for number in count(step=_STRIDE):
        organization, project = filled.project(number)
        yield get(f"/v1/organizations/{organization}/projects/{project}")


async def _bare(settings: Settings, filled: Filled, seconds: float) -> Asked:
    """Ask the same of the database, as many at a time, without anything around it."""
    times: list[float] = []
    numbers = count(step=_STRIDE)
    size = settings.database_pool_size
    async with reading_pool(settings.database_url, pool_size=size, statement_seconds=10) as pool:
        began = time.perf_counter()

        async def one() -> None:
            while (asked := time.perf_counter()) - began < seconds:
                async with pool.acquire() as connection:
                    await payers(connection, [PayerQuestion(0, *filled.project(next(numbers)), END)])
                times.append(time.perf_counter() - asked)

        await asyncio.gather(*(one() for _ in range(CLIENTS)))
        return Asked(times, len(times) / (time.perf_counter() - began))
