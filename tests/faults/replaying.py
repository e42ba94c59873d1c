"""Replays that are broken: a process that replays is killed at a failpoint, and another one goes on."""

import asyncio
import os
import sys
from collections.abc import Mapping

from sqlalchemy import text

from tests.faults import failpoints
from tests.faults.matrix import FAILING_WORKER
from tests.faults.mutating import MUTANT_VARIABLE
from tests.support.installations import Installation
from tests.support.processes import DIE_WITH_PARENT

OFTEN = {"WHOPAYS_RELAY_BATCH_ROWS": "10", "WHOPAYS_RELAY_LEASE_SECONDS": "2"}
"""So that a replay takes many transactions, and renews its lease all the time."""

MODULES = (
    *(name for name in failpoints.MODULES if name.startswith("workers.replaying.")),
    "workers.publishing.producer",
)

_OF_THE_ROLE = "role."
_MOST_SECONDS = 60


def points() -> list[str]:
    """Return the failpoints of a replay in the foreground."""
    names = tuple(f"{name.rpartition('.')[2]}." for name in MODULES)
    return [point for point in failpoints.points() if point.startswith(names) and not point.startswith(_OF_THE_ROLE)]


async def replay(
    installation: Installation, *words: str, plan: Mapping[str, str] | None = None, mutant: str | None = None
) -> tuple[int, str]:
    """Run `whopays replay` with these words, and something planned at failpoints; return status and what it said."""
    return await ended(await launched(installation, *words, plan=plan, mutant=mutant))


async def launched(
    installation: Installation, *words: str, plan: Mapping[str, str] | None = None, mutant: str | None = None
) -> asyncio.subprocess.Process:
    """Start `whopays replay` with these words, and something planned at failpoints."""
    variables = {**OFTEN, **failpoints.environment(plan or {})}
    if mutant is not None:
        variables[MUTANT_VARIABLE] = mutant
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", FAILING_WORKER, "replay", *words,
        env={**os.environ, **installation.environment(**variables)},
        preexec_fn=DIE_WITH_PARENT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Wait until a process ends; return its status and what it said."""
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            out, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, out.decode(errors="replace")


async def comes_to(process: asyncio.subprocess.Process, point: str) -> None:
    """Wait until a process has come to a failpoint."""
    if process.stdout is not None:
        async with asyncio.timeout(_MOST_SECONDS):
            async for line in process.stdout:
                if failpoints.reached(point) in line.decode(errors="replace"):
                    return
    raise AssertionError(f"it did not come to {point}")


async def give_up_for_dead(installation: Installation, name: str) -> None:
    """Let the next process take over at once, as would happen by itself when the lease has run out."""
    async with installation.engine.begin() as connection:
        statement = text("UPDATE replays SET owner = NULL, expires_at = NULL WHERE name = :name")
        await connection.execute(statement, {"name": name})
