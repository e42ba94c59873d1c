"""Faults of servers: one or all of them are killed or paused (SIGSTOP), with and without the workers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import psutil

from tests.faults.own_servers import OwnServers, has_ended, signal_all
from tests.support.installations import Worker
from tests.support.waiting import until

Fault = Callable[[OwnServers, Sequence[Worker], Random], Awaitable[None]]
"""Breaks something and mends it. Workers that the fault itself kills are for the caller to start again."""

_SHORTEST_SECONDS, _LONGEST_SECONDS = 1, 8


async def broker_killed(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """The broker, all of it, with a pause before it comes back."""
    own.kafka.kill()
    await asyncio.sleep(chance.uniform(0, _LONGEST_SECONDS))
    await own.kafka.start_again()


async def broker_paused(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """The broker, for longer than its clients' sessions last."""
    await own.kafka.pause(chance.uniform(_SHORTEST_SECONDS, 2 * _LONGEST_SECONDS))


async def postmaster_killed(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """PostgreSQL's first process; the others find out by themselves."""
    own.postgresql.processes()
    own.postgresql.kill_first()
    await own.postgresql.start_again()


async def postgresql_killed(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """All of PostgreSQL at once, with a pause before it comes back."""
    own.postgresql.kill()
    await asyncio.sleep(chance.uniform(0, _LONGEST_SECONDS))
    await own.postgresql.start_again()


async def postgresql_paused(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """All of PostgreSQL."""
    await own.postgresql.pause(chance.uniform(_SHORTEST_SECONDS, 2 * _LONGEST_SECONDS))


async def backend_killed(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """One session's process, after which PostgreSQL ends all others and recovers."""
    await _of_postgresql(own, "whopays", chance).kill_and_wait()
    await own.accepting()


async def walwriter_killed(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """The process that writes the log ahead, with the same consequence."""
    await _of_postgresql(own, "walwriter", chance).kill_and_wait()
    await own.accepting()


async def backend_paused(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """One session's process, and with it whatever it has locked."""
    await _of_postgresql(own, "whopays", chance).pause(chance.uniform(_SHORTEST_SECONDS, 3 * _LONGEST_SECONDS))


async def walwriter_paused(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """The process that writes the log ahead."""
    await _of_postgresql(own, "walwriter", chance).pause(chance.uniform(_SHORTEST_SECONDS, _LONGEST_SECONDS))


async def everything_killed(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """Both servers and all of whopays at the same moment, as in a power failure; they come back in any order."""
    processes = [*own.kafka.processes(), *own.postgresql.processes()]
    processes += [psutil.Process(worker.process.pid) for worker in workers if _lives(worker.process.pid)]
    for signalled in (psutil.Process.suspend, psutil.Process.kill):
        signal_all(signalled, processes)
    back = [own.kafka.start_again, own.postgresql.start_again]
    chance.shuffle(back)
    for start_again in back:
        await start_again()


async def everything_paused(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """Both servers and all of whopays at the same moment, as when a machine is suspended; they resume in any order."""
    parts = [own.kafka.processes(), own.postgresql.processes()]
    parts += [[psutil.Process(one.process.pid)] for one in workers if _lives(one.process.pid)]
    for part in parts:
        signal_all(psutil.Process.suspend, part)
    chance.shuffle(parts)
    for part in parts:
        await asyncio.sleep(chance.uniform(0, _LONGEST_SECONDS))
        signal_all(psutil.Process.resume, part)


async def both_restarted(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """Both servers, again and again, cleanly."""
    for _ in range(3):
        restarts = [own.kafka.restart, own.postgresql.restart]
        chance.shuffle(restarts)
        for restart in restarts:
            await restart()


async def storm_of_terminations(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """All sessions of whopays are ended, forty times."""
    await _storm(own, "pg_terminate_backend", 40, chance)


async def storm_of_cancellations(own: OwnServers, workers: Sequence[Worker], chance: Random) -> None:
    """Every running statement of whopays is cancelled, as by a timeout, four hundred times."""
    await _storm(own, "pg_cancel_backend", 400, chance)


FAULTS: tuple[Fault, ...] = (
    broker_killed,
    broker_paused,
    postmaster_killed,
    postgresql_killed,
    postgresql_paused,
    backend_killed,
    walwriter_killed,
    backend_paused,
    walwriter_paused,
    everything_killed,
    everything_paused,
    both_restarted,
    storm_of_terminations,
    storm_of_cancellations,
)


class _Part:
    """One process of PostgreSQL."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process

    async def kill_and_wait(self) -> None:
        self._process.kill()

        async def look() -> bool:
            return has_ended(self._process)

        await until(look, "the end of a process of PostgreSQL")

    async def pause(self, seconds: float) -> None:
        signal_all(psutil.Process.suspend, [self._process])
        try:
            await asyncio.sleep(seconds)
        finally:
            signal_all(psutil.Process.resume, [self._process])


def _of_postgresql(own: OwnServers, title: str, chance: Random) -> _Part:
    """Return any one of the processes whose title has a word in it; sessions have their user's name."""
    found = [process for process in own.postgresql.processes()[1:] if title in " ".join(process.cmdline())]
    return _Part(chance.choice(found))


def _lives(process_id: int) -> bool:
    return psutil.pid_exists(process_id) and psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE


async def _storm(own: OwnServers, function: str, times: int, chance: Random) -> None:
    connection = await own.connect()
    try:
        for _ in range(times):
            await connection.execute(
                f"SELECT {function}(pid) FROM pg_stat_activity WHERE application_name = 'whopays'"  # noqa: S608
            )
            await asyncio.sleep(chance.uniform(0, 10 / times))
    finally:
        await connection.close()
