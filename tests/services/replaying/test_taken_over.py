"""One replay, and several who are asked to do it: one works, one watches, and signals stop it."""

import asyncio
import json
import signal

import pytest
from sqlalchemy import text

from db.replays import KeptReplay, find_replay, stop_replay
from tests.support.command_line import Ran, whopays_of
from tests.support.installations import Installation
from tests.support.waiting import patience, until
from tests.support.warm import start_warm
from workers.replaying import lease

_TAKEN = text(
    "UPDATE replays SET owner = 'another', expires_at = clock_timestamp() + interval '30 minutes' WHERE name = :name"
)


async def _kept(told: Installation, name: str) -> KeptReplay | None:
    async with told.engine.connect() as connection:
        return await find_replay(connection, name)


async def _ended(starting: "asyncio.Future[Ran]") -> Ran:
    return await asyncio.wait_for(starting, patience(60))


async def test_who_was_taken_over_ends_and_who_comes_later_watches(
    told: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_RENEW_SECONDS", 0.0)

    async def is_asked_for(rate: int) -> bool:
        found = await _kept(told, "o1")
        return found is not None and found.rate == rate and found.records > 0

    whopays, start = whopays_of(told), ("replay", "start", "o1", "--partitions=1", "--json")
    working = asyncio.ensure_future(whopays(*start, "--rate=5"))
    await until(lambda: is_asked_for(5), "the first records")
    async with told.engine.begin() as connection:
        await connection.execute(_TAKEN, {"name": "o1"})
    assert "Another process took the replay o1 over" in (await _ended(working)).expect(1).err
    watching = asyncio.ensure_future(whopays(*start, "--rate=6"))
    await until(lambda: is_asked_for(6), "the one that watches")
    assert not watching.done()
    async with told.engine.begin() as connection:
        await stop_replay(connection, "o1")
    assert (await _ended(watching)).expect(3).document["state"] == "Stopped"


async def test_signals_stop_it(told: Installation) -> None:
    async def is_worked_on() -> bool:
        found = await _kept(told, "o2")
        return found is not None and found.is_leased

    for number, words in (
        (signal.SIGINT, ("start", "o2", "--partitions=1")),
        (signal.SIGTERM, ("resume", "o2")),
    ):
        process = await start_warm("cli", ["replay", *words, "--rate=5", "--json"], told.environment())
        try:
            await until(is_worked_on, "its lease")
            process.send_signal(number)
            said = json.loads(await asyncio.wait_for(process.stdout.read(), patience(60)))
            assert (await process.wait(), said["state"]) == (3, "Stopped")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
