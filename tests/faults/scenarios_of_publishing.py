"""What is done to the relay and the servers when mutants are tried."""

import signal

from sqlalchemy import text

from schemas.topics import Topic
from tests.faults import failpoints
from tests.faults.checking import faults_in
from tests.faults.judge import is_published
from tests.faults.matrix import give_up_for_dead
from tests.faults.own_servers import own_servers
from tests.faults.points import CONSUMERS, RELAY
from tests.faults.progress import SMALL
from tests.faults.stage import (
    Scenario,
    Stage,
    is_published_or_over,
    staged,
)
from tests.support.kafka import all_consumed
from tests.support.messages import Said
from tests.support.proxies.kafka import ApiKey
from tests.support.proxies.ways import ways_of
from tests.support.waiting import until
from workers.publishing.relay import LEAST_SHARES
from workers.runtime.roles import Role

_KILLS = 3
_LONG_SECONDS = 120


async def _end_of_a_transaction_unanswered(stage: Stage) -> list[str]:
    async with ways_of(stage.installation) as ways:
        await stage.start(*CONSUMERS, Role.TIMERS)
        relay = await stage.start(Role.RELAY, settings={**ways.environment, **SMALL})
        await stage.begin()
        await all_consumed(stage.installation)
        await until(lambda: is_published(stage.load), "the relay")
        swallowed = ways.kafka.swallow_answer(ApiKey.END_TXN)
        await stage.bind("behind", "b")
        await swallowed
        await relay.logged("relay_interrupted")
        return await stage.goes_wrong_after()


async def _zombie_relay(stage: Stage) -> list[str]:
    """A relay hangs before it begins a transaction; its successor publishes the same; then it carries on.

    Within its transaction it would do no harm even if nobody fenced it: positions are read when that has ended.
    """
    await stage.begun()
    await stage.start(*CONSUMERS, Role.TIMERS)
    await stage.bind("behind", "b")
    await all_consumed(stage.installation)
    place = "producer.transact: producer.begin_transaction before"
    zombie = await stage.start(*RELAY, plan={place: failpoints.STOP}, settings={"WHOPAYS_RELAY_LEASE_SECONDS": "60"})
    await zombie.logged(failpoints.reached(place))
    await give_up_for_dead(stage.installation, RELAY)
    await stage.start(*RELAY)
    await until(lambda: is_published(stage.load), "its successor")
    zombie.process.send_signal(signal.SIGCONT)
    return await stage.goes_wrong_after()


async def _end_of_a_transaction_comes_again(stage: Stage) -> list[str]:
    """The end of one transaction comes a second time while the next is half written."""
    rows = 16
    await stage.start(*CONSUMERS, Role.TIMERS)
    # Large enough for the batches of a transaction not to go out in one request.
    await stage.load.say(*[Said(Topic.PROJECTS, b"acme", b"x" * 70_000)] * (2 * rows))
    await all_consumed(stage.installation)
    async with ways_of(stage.installation) as ways:
        late = ways.kafka.hold_back(ApiKey.END_TXN)
        await stage.start(
            Role.RELAY, settings={**ways.environment, "WHOPAYS_RELAY_BATCH_ROWS": str(rows * LEAST_SHARES)}
        )
        await late.caught.wait()
        second_half = ways.kafka.hold_back(ApiKey.PRODUCE, after=1)
        late.give_up()
        await second_half.caught.wait()
        await late.deliver()
        await second_half.deliver()
        await stage.begin()
        return await stage.goes_wrong_after()


async def _postgresql_is_killed(stage: Stage) -> list[str]:
    """All of PostgreSQL, the scenario's own, is killed right after something was published, three times."""
    async with (
        own_servers(postgresql_settings={"wal_writer_delay": "10s"}) as own,
        own.installation() as installation,
        staged(installation, stage.mutant) as other,
    ):
        worker = await other.start()
        await other.begin()
        await all_consumed(installation)
        for number in range(_KILLS):
            await until(lambda: is_published_or_over(other.load, worker), "the relay", _LONG_SECONDS)
            if worker.process.returncode is not None:
                break
            own.postgresql.kill()
            await own.postgresql.start_again()
            await other.bind(f"kill-{number}", "bc"[number % 2])
        return await other.goes_wrong_after()


async def _row_of_the_log_altered(stage: Stage) -> list[str]:
    """Here the relay must end: what was altered must not be published."""
    await stage.start(*CONSUMERS, Role.TIMERS)
    await stage.begin()
    await all_consumed(stage.installation)
    async with stage.installation.engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE log SET value = replace(convert_from(value, 'UTF8'), '\"first-1\"', '\"first-x\"')::bytea"
                " WHERE topic = 'command-results'"
            )
        )
    relay = await stage.start(*RELAY)
    await until(lambda: is_published_or_over(stage.load, relay), "the relay")
    return [] if "does not continue" in "".join(faults_in(stage.installation)) else ["an altered row was published"]


PUBLISHING: dict[str, Scenario] = {
    "the end of a transaction is not answered": _end_of_a_transaction_unanswered,
    "a zombie relay": _zombie_relay,
    "the end of a transaction comes again": _end_of_a_transaction_comes_again,
    "PostgreSQL is killed": _postgresql_is_killed,
    "a row of the log is altered": _row_of_the_log_altered,
}
