"""Timers that are killed at awkward moments, or whose database goes down: what was due happens exactly once."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from db.engine import create_engine
from tests.services.timers.keeping import Keeper
from tests.services.timers.tampered_timers import AFTER_COMMIT, AFTER_SECOND_PAGE, BEFORE_COMMIT, HANGS
from tests.services.timers.test_instants import schedule
from tests.support.installations import Installation, Worker
from tests.support.processes import DIE_WITH_PARENT
from tests.support.saying import bind, reactivate, suspend
from tests.support.waiting import until
from workers.runtime.roles import Role


@pytest.mark.parametrize("point", (BEFORE_COMMIT, AFTER_COMMIT))
async def test_killed_around_the_commit(quiet_installation: Installation, point: str) -> None:
    keeper = Keeper(quiet_installation.engine)
    names = [f"p{number}" for number in range(20)]
    await keeper.establish(["a", "b"], names, payer="a")
    at = await keeper.instant("0.2 seconds")
    await keeper.hear(*(schedule(name, "b", f"s-{name}", at) for name in names))
    await keeper.hear(*(bind(f"unknown-{name}", "b", f"w-{name}", waitSeconds=1) for name in names))
    async with _killed_at(quiet_installation, point):
        left = set(await keeper.all("SELECT kind FROM pending_bindings"))
        assert left == ({"Scheduled", "Waiting"} if point == BEFORE_COMMIT else left & {"Waiting"})
    async with keeper.timers(2):
        await keeper.nothing_left()
    results = await keeper.results()
    assert {tuple(results[f"s-{name}"]) for name in names} == {("Scheduled", "Applied")}
    assert {tuple(results[f"w-{name}"]) for name in names} == {("Waiting", "ProjectNotFound")}
    assert await keeper.all("SELECT count(*) FROM projects WHERE account = 'b'") == [len(names)]


async def test_killed_in_the_middle_of_a_fan_out(quiet_installation: Installation) -> None:
    keeper = Keeper(quiet_installation.engine)
    names = [f"p{number:03}" for number in range(650)]
    await keeper.establish(["a", "b"], names, payer="a")
    await keeper.hear(suspend("a", "stop"))
    async with _killed_at(quiet_installation, AFTER_SECOND_PAGE):
        assert await keeper.all("SELECT told FROM fan_outs") == [names[199]]
    await keeper.hear(*reactivate("a", "go"), *(bind(name, "b", f"away-{name}") for name in names[150:250]))
    worker = await quiet_installation.start(Role.TIMERS)

    async def done() -> bool:
        return await keeper.all("SELECT count(*) FROM fan_outs") == [0]

    await until(done, "the last notice")
    assert await worker.stop() == 0
    told: dict[str, list[str]] = {name: [] for name in names}
    for name, kind, _ in await keeper.notices():
        told[name].append(kind)
    assert all(kinds == ["PayerMissing", "AccountSuspended", "AccountReady"] for kinds in told.values())


async def test_database_away_while_things_fall_due(keeper: Keeper) -> None:
    await keeper.establish(["a", "b"], ["p1", "p2"], payer="a")
    at = await keeper.instant("0.5 seconds")
    await keeper.hear(schedule("p1", "b", "scheduled", at), bind("new", "b", "waiting", waitSeconds=1))
    (name,) = await keeper.all("SELECT current_database()")
    elsewhere = create_engine(
        keeper.engine.url.set(database="postgres").render_as_string(hide_password=False), pool_size=1
    )
    async with keeper.timers(2):
        async with elsewhere.connect() as connection:
            await connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
            await connection.commit()
            ending = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
            await connection.execute(ending, {"name": name})
            # Only the server's clock tells when the instants have passed.
            await connection.execute(text("SELECT pg_sleep(1)"))
            await connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
            await connection.commit()
        await until(_answers(keeper), "the database")
        await keeper.nothing_left()
    await elsewhere.dispose()
    results = await keeper.results()
    assert results["scheduled"] == ["Scheduled", "Applied"]
    assert results["waiting"] == ["Waiting", "ProjectNotFound"]


@asynccontextmanager
async def _killed_at(installation: Installation, point: str) -> AsyncIterator[None]:
    """Run timers until they hang at a point, and kill them."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.services.timers.tampered_timers",
        "run",
        "--only",
        str(Role.TIMERS),
        env=installation.environment(TAMPERED_AT=point),
        preexec_fn=DIE_WITH_PARENT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    worker = Worker(process)
    reading = asyncio.create_task(worker.read())

    async def hangs() -> bool:
        assert process.returncode is None, worker.lines[-20:]
        return HANGS in worker.lines

    try:
        await until(hangs, "the timers to hang")
    finally:
        await worker.kill()
        await reading
    yield


def _answers(keeper: Keeper) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        try:
            return await keeper.all("SELECT true") == [True]
        except Exception:  # noqa: BLE001 (of whatever kind, it is away)
            return False

    return look
