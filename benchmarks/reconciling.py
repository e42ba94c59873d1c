"""`python -m benchmarks.reconciling`: how long a lost and a moved Kafka cluster take, by `whopays reconcile`."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import installed, servers
from benchmarks.processes import whopays
from benchmarks.relaying.events import Rebindings
from benchmarks.relaying.ours import Ours
from db.engine import create_engine
from db.published import unpublished
from schemas.topics import TOPIC_PLANS
from tests.support.mirroring import mirror
from workers.reconciling import Action, next_steps, take
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.topics.cluster import administration
from workers.topics.plan import create_topics

_COMMANDS_AT_ONCE = 500
_EVENTS_PER_COMMAND = 2
_LONGEST_SECONDS = 1_800.0


def main(events: Annotated[int, typer.Option(min=1_000, help="Events of the log.")] = 100_000) -> None:
    """Measure each step on embedded servers, with a log of changes of payers and their results.

    The topics of input are empty: what reading them again takes is not measured, nor is what a mirroring tool does.
    """
    # Of topics that are new, the client says loudly that it has to ask again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(_run(events))


async def _run(events: int) -> None:
    with servers() as addresses:
        async with installed(addresses) as settings:
            engine = create_engine(settings.database_url)
            try:
                log, rebindings = Ours(settings, engine), Rebindings()
                for _ in range(0, events, _COMMANDS_AT_ONCE * _EVENTS_PER_COMMAND):
                    await log.append(rebindings.of(_COMMANDS_AT_ONCE))
                await _publish(engine, settings)
                await _timed(f"{events:,} events, a look where all agree", _reconcile(engine, settings))
                with servers() as others:
                    elsewhere = {"kafka_bootstrap_servers": others.kafka_bootstrap_servers}
                    moved = settings.model_copy(update=elsewhere)
                    await create_topics(moved)
                    await mirror(settings, moved)
                    await _timed("a moved cluster, reconciled", _reconcile(engine, moved))
                await _timed("the same, back again", _reconcile(engine, settings))
                async with administration(settings) as admin:
                    await admin.delete_topics([settings.topic(plan.topic) for plan in TOPIC_PLANS])
                await _timed("a lost cluster, reconciled", _reconcile(engine, settings))
                await _timed("and published again by one relay, started anew", _publish(engine, settings))
            finally:
                await engine.dispose()


async def _timed(what: str, work: Awaitable[list[Action]] | Awaitable[None]) -> None:
    began = time.monotonic()
    done = await work
    steps = f" ({', '.join(done)})" if done else ""
    typer.echo(f"{what}: {time.monotonic() - began:.1f} s{steps}")


async def _reconcile(engine: AsyncEngine, settings: Settings) -> list[Action]:
    """Do what is to be done, step by step, and return that. Raises BenchmarkFailed."""
    done: list[Action] = []
    while steps := await next_steps(engine, settings):
        if steps[0].action is Action.DECIDE:
            raise BenchmarkFailed(steps[0].why)
        await take(engine, settings, steps[0])
        done.append(steps[0].action)
    return done


async def _publish(engine: AsyncEngine, settings: Settings) -> None:
    """Have a relay publish everything. Raises BenchmarkFailed."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    with whopays(settings, (Role.RELAY,)) as (relay,):
        while True:
            async with engine.connect() as connection:
                if not await unpublished(connection):
                    return
            relay.check()
            if time.monotonic() > deadline:
                raise BenchmarkFailed("the relay takes too long: ask for fewer events")
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    typer.run(main)
