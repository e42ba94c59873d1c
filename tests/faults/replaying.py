"""Replays that are broken: a process that replays is killed at a failpoint, and another one goes on."""

import asyncio
from collections.abc import Mapping

from sqlalchemy import text

from tests.faults import failpoints
from tests.faults.matrix import FAILING_WORKER
from tests.faults.mutating import MUTANT_VARIABLE
from tests.services.replaying.telling import close, now, records_of, told
from tests.support.installations import Installation
from tests.support.waiting import patience
from tests.support.warm import WarmProcess, start_warm

OFTEN = {"WHOPAYS_RELAY_BATCH_ROWS": "10", "WHOPAYS_RELAY_LEASE_SECONDS": "2"}
"""So that a replay takes many transactions, and renews its lease all the time."""

MODULES = (
    *(name for name in failpoints.MODULES if name.startswith("workers.replaying.")),
    "workers.publishing.producer",
)

NEVER = (
    "producer.producing: producer.client.close",  # only where a producer does not end by itself
    "working.Work.run: _lease.fail",  # only where a replay fails
    "lease.Lease.fail",
    "working.Work._until_shown: _wait",  # only where a broker is slow
    "snapshot.",  # of snapshots, which are tried by themselves
    "reading._of_snapshot",
    "reading.selected: find_last",
    "target.remove_target",
    "target.refuse_unfit",
    "target.last_ids",  # before anything is begun, and as part of insist_on_agreement
)
"""Where a replay does not come, or what is tried by others."""

_TRIED_AGAIN = (
    "working.Work._publish: sending (3)",
    "working.Work.run: _lease.is_held",
    "working.Work.run: _wait",
    "lease.Lease.is_held",
)
"""Where a replay comes once something went wrong."""

_OF_THE_ROLE = "role."
_MOST_SECONDS = 60


def planned(point: str, action: str) -> dict[str, str]:
    """Return a plan by which something happens at a failpoint, and what has to go wrong before."""
    before = {"working.Work._publish: sending after": failpoints.ERROR} if point.startswith(_TRIED_AGAIN) else {}
    return {**before, point: action}


def points() -> list[str]:
    """Return the failpoints of a replay by the role."""
    names = tuple(f"{name.rpartition('.')[2]}." for name in MODULES)
    return [point for point in failpoints.points() if point.startswith(names)]


def foreground_points() -> list[str]:
    """Return the failpoints of a replay in the foreground."""
    return [point for point in points() if not point.startswith(_OF_THE_ROLE)]


async def replay(
    installation: Installation,
    *words: str,
    plan: Mapping[str, str] | None = None,
    mutant: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run `whopays replay` with these words, and something planned at failpoints; return status and what it said."""
    return await ended(await launched(installation, *words, plan=plan, mutant=mutant, settings=settings))


async def launched(
    installation: Installation,
    *words: str,
    plan: Mapping[str, str] | None = None,
    mutant: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> WarmProcess:
    """Start `whopays replay` with these words, and something planned at failpoints."""
    variables = {**OFTEN, **failpoints.environment(plan or {}), **(settings or {})}
    if mutant is not None:
        variables[MUTANT_VARIABLE] = mutant
    return await start_warm(FAILING_WORKER, ["replay", *words], installation.environment(**variables))


async def ended(process: WarmProcess) -> tuple[int, str]:
    """Wait until a process ends; return its status and what it said of trouble."""
    try:
        async with asyncio.timeout(patience(_MOST_SECONDS)):
            said = await process.stderr.read()
            return await process.wait(), said.decode(errors="replace")
    except BaseException:
        process.kill()
        await process.wait()
        raise


async def comes_to(process: WarmProcess, point: str) -> None:
    """Wait until a process has come to a failpoint."""
    async with asyncio.timeout(patience(_MOST_SECONDS)):
        async for line in process.stderr:
            if failpoints.reached(point) in line.decode(errors="replace"):
                return
    raise AssertionError(f"it did not come to {point}")


async def give_up_for_dead(installation: Installation, name: str) -> None:
    """Let the next process take over at once, as would happen by itself when the lease has run out."""
    async with installation.engine.begin() as connection:
        statement = text("UPDATE replays SET owner = NULL, expires_at = NULL WHERE name = :name")
        await connection.execute(statement, {"name": name})


async def until_now(installation: Installation) -> str:
    """Return an instant as events write it, before which everything is closed."""
    instant = await now(installation)
    await close(installation)
    return instant


async def content(installation: Installation, name: str) -> str:
    """Return what a replay's topic holds, as a text that is the same in every run of whatever name."""
    found = [told(one) for one in await records_of(installation, f"{installation.prefix}replay.{name}")]
    assert sum(map(len, found)) > len(found), "there are only markers"
    return repr(found).replace(name, "NAME")
