"""The course of a soak: the load flows, something breaks, everything recovers; in the end three judges decide."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from random import Random

import asyncpg

from tests.faults.checking import come_to_rest
from tests.faults.judge import judged
from tests.faults.load import Load, loaded
from tests.faults.own_servers import own_servers
from tests.faults.recovering import flows, nothing_waits
from tests.services.audit.auditing import findings_of
from tests.soak.crew import Crew, manned
from tests.soak.mishaps import MISHAPS, DidNotComeAbout, Mishap, Scene
from tests.support.folders import temporary_folder
from tests.support.installations import Installation
from tests.support.proxies.ways import ways_of
from tests.support.tokens import TokenIssuer

SAMPLE_SECONDS = 5.0
_AUDIT_SECONDS = 600.0
_CALM_RECORDS = 100
"""How many records are sent between two mishaps."""


@dataclass
class Broken:
    """One mishap: when it began and ended, in seconds since the beginning of the soak, and how long recovery took."""

    mishap: str
    began: float
    lasted_seconds: float
    recovery_seconds: float


@dataclass
class Sample:
    """The state at one moment; memory in bytes, of the largest process of each kind."""

    seconds: float
    memory: dict[str, int]
    connections: int | None
    acknowledged: int


@dataclass
class Outcome:
    """Everything a soak reports."""

    seed: int
    rate: float
    minutes: float = 0.0
    records: int = 0
    commands: int = 0
    doubtful: int = 0
    restarts: int = 0
    audits: int = 0
    missed: int = 0
    broken: list[Broken] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def document(self) -> dict[str, object]:
        """Return it as plain JSON."""
        return asdict(self)


Progress = Callable[[str], None]


async def soak(seconds: float, seed: int, rate: float, tell: Progress) -> Outcome:
    """Break things for that long; the outcome's `wrong` is empty if nothing was lost, doubled, or otherwise wrong."""
    outcome, chance = Outcome(seed, rate), Random(seed)
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(own_servers())
        issuer = TokenIssuer(stack.enter_context(temporary_folder()))
        installation = await stack.enter_async_context(own.installation(issuer=issuer))
        ways = await stack.enter_async_context(ways_of(installation))
        began = time.monotonic()
        async with manned(installation, ways.environment) as crew:
            async with loaded(installation, seed=seed, rate=rate) as load:
                sampling = asyncio.create_task(_sample(outcome, installation, crew, load, began))
                try:
                    scene = Scene(own, installation, ways, crew, chance)
                    await _break(outcome, scene, load, began, seconds, tell)
                finally:
                    sampling.cancel()
                    await asyncio.gather(sampling, return_exceptions=True)
            tell("judging")
            outcome.wrong += await _verdict(load)
            outcome.audits += 1
        outcome.minutes = (time.monotonic() - began) / 60
        outcome.records, outcome.doubtful, outcome.restarts = len(load.sent), len(load.doubtful), crew.restarts
        outcome.commands = sum(one.topic == "admin-commands" for one in load.sent)
    return outcome


async def _verdict(load: Load) -> list[str]:
    try:
        await come_to_rest(load)
    except AssertionError as error:
        return [str(error)]
    return [f"whopays verify: {finding}" for finding in await findings_of(load.installation)] + await judged(load)


async def _break(outcome: Outcome, scene: Scene, load: Load, began: float, seconds: float, tell: Progress) -> None:
    audited = began
    waiting: list[Mishap] = []
    await nothing_waits(load.installation, "the start")
    while time.monotonic() - began < seconds:
        # Every kind comes once before any is repeated.
        waiting = waiting or scene.chance.sample(MISHAPS, len(MISHAPS))
        mishap = waiting.pop()
        await flows(load, _CALM_RECORDS)
        name = mishap.__name__.replace("_", " ")
        tell(name)
        at = time.monotonic()
        try:
            await mishap(scene)
            ended = time.monotonic()
            await nothing_waits(load.installation, name)
        except DidNotComeAbout:
            outcome.missed += 1
            continue
        except (AssertionError, TimeoutError) as error:
            outcome.wrong.append(f"{name}: {type(error).__name__} {error}")
            return
        outcome.broken.append(Broken(name, at - began, ended - at, time.monotonic() - ended))
        if time.monotonic() - audited > _AUDIT_SECONDS:
            tell("auditing")
            outcome.wrong += [f"whopays verify: {finding}" for finding in await findings_of(load.installation)]
            outcome.audits += 1
            audited = time.monotonic()
        if outcome.wrong:
            return


async def _sample(outcome: Outcome, installation: Installation, crew: Crew, load: Load, began: float) -> None:
    while True:
        connections = await _connections(installation)
        outcome.samples.append(Sample(time.monotonic() - began, crew.memory(), connections, len(load.sent)))
        await asyncio.sleep(SAMPLE_SECONDS)


async def _connections(installation: Installation) -> int | None:
    """Return how many sessions whopays has, or None while the database is down."""
    url = installation.settings.database_url.replace("+asyncpg", "")
    try:
        async with asyncio.timeout(SAMPLE_SECONDS):
            connection = await asyncpg.connect(url)
            try:
                found = await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'whopays'"
                    " AND datname = current_database()"
                )
                return int(found)
            finally:
                connection.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None
