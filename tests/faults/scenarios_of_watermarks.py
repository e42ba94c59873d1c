"""What happens to the database, its clock, and transactions, while mutants of the watermarks are tried."""

import json
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text

from tests.faults import failpoints
from tests.faults.clocks import HOUR, Clocks
from tests.faults.judge import watermarks
from tests.faults.points import CONSUMERS
from tests.faults.stage import Scenario, Stage, in_seconds
from tests.support.kafka import all_consumed
from tests.support.messages import bind
from tests.support.waiting import until
from workers.runtime.roles import Role

_TEN_YEARS = 10 * 365 * 24 * HOUR


async def _relay_that_is_behind(stage: Stage) -> list[str]:
    """The relay hangs when all is published, and finds more when it goes on: events, and a watermark that is due."""
    await stage.begun()
    await stage.start(*CONSUMERS, Role.TIMERS)
    point = "relay.Relay._publish: idle.raise_them before"
    relay = await stage.start(Role.RELAY, plan={point: failpoints.STOP})
    await relay.logged(failpoints.reached(point))
    await stage.bind("behind", "b")
    await all_consumed(stage.installation)
    relay.process.send_signal(signal.SIGCONT)
    return await stage.goes_wrong_after()


async def _watermarks_beside_a_slow_transaction(stage: Stage) -> list[str]:
    """Timers hang in a transaction that has its instant, while the relay goes on."""
    await stage.begun()
    await stage.start(*CONSUMERS, Role.RELAY)
    point = "transaction.Batches._transaction: load after"
    slow = await stage.start(Role.TIMERS, plan={point: failpoints.STOP})
    await stage.load.say(bind("acme", "p0", "b", "slow", effectiveAt=in_seconds(2)))
    await slow.logged(failpoints.reached(point))
    await _more_watermarks(stage, 2)
    slow.process.send_signal(signal.SIGCONT)
    return await stage.goes_wrong_after()


async def _standby_that_lags(stage: Stage) -> list[str]:
    """A standby takes over that knows all events, but not what was closed after them; its clock is behind."""
    async with _clocks(stage) as clocks:
        await stage.begun()
        relay = await stage.installation.start(Role.RELAY)
        await _more_watermarks(stage, 2)
        assert await relay.stop() == 0
        async with stage.installation.engine.begin() as connection:
            await connection.execute(text("UPDATE shards SET last_instant = written_at"))
        await clocks.shift_database(-HOUR)
        await stage.start()
        return await stage.goes_wrong_after()


async def _clock_that_leaps(stage: Stage) -> list[str]:
    """The clock of the database leaps ten years ahead, and back when the relay has seen it."""
    async with _clocks(stage) as clocks:
        await stage.begun()
        worker = await stage.start()
        await _more_watermarks(stage, 1)
        await clocks.shift_database(_TEN_YEARS)

        async def has_seen_it() -> bool:
            told = [json.loads(one.value) for one in await watermarks(stage.load)]
            return any("clocks_apart" in line for line in worker.lines) or any(
                one["data"]["closedUntil"] > one["time"] for one in told
            )

        await until(has_seen_it, "the relay")
        await clocks.shift_database(0)
        return await stage.goes_wrong_after()


async def _more_watermarks(stage: Stage, number: int) -> None:
    """Wait until so many more were written."""
    before = len(await watermarks(stage.load))

    async def written() -> bool:
        return len(await watermarks(stage.load)) >= before + number

    await until(written, "watermarks")


@asynccontextmanager
async def _clocks(stage: Stage) -> AsyncIterator[Clocks]:
    with tempfile.TemporaryDirectory() as folder:
        clocks = Clocks(stage.installation, Path(folder) / "shift")
        await clocks.prepare()
        yield clocks


OF_WATERMARKS: dict[str, Scenario] = {
    "a relay that is behind": _relay_that_is_behind,
    "watermarks beside a slow transaction": _watermarks_beside_a_slow_transaction,
    "a standby that lags": _standby_that_lags,
    "a clock that leaps": _clock_that_leaps,
}
