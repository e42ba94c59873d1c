"""One measured round, the same for every workload: let the programs go, and see the last event."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import connect
from benchmarks.processes import Program, check_of
from benchmarks.progress import step
from benchmarks.statements import StatementLog
from benchmarks.traffic import Message, Observer, send
from benchmarks.usage import Usage, metered, server_processes
from workers.runtime.settings import Settings

OBSERVER = "benchmark (observer)"

_QUIET_SECONDS = 0.5
"""For the servers to finish what the preloading left to do."""

_LONGEST_HOLD_SECONDS = 8.0
"""Less than a consumer's session (10 s): a longer hold would measure how its group takes it in again."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to, `usage` by process.

    `transactions` are those of PostgreSQL that wrote something; `statements` were counted only where they were logged.
    """

    commands: int
    seconds: float
    per_second: float
    transactions: int
    wal_bytes: int
    statements: int | None
    usage: Mapping[str, Usage]


@dataclass(frozen=True, slots=True)
class _Written:
    transactions: int
    wal_bytes: int
    log_bytes: int


async def measure(
    title: str,
    settings: Settings,
    programs: Sequence[Program],
    messages: Mapping[str, Sequence[Message]],
    observer: Observer,
    events: int,
    statements: StatementLog | None = None,
) -> Round:
    """Hold the programs, send all messages to their topics, let the programs go, and see as many events.

    Measured is the time from letting go until the observer has got the last event; it is shown under the title. Raises
    BenchmarkFailed.
    """
    await hold(settings, programs, messages)
    commands = sum(map(len, messages.values()))
    return await measure_held(title, settings, programs, commands, observer, events, statements)


async def hold(settings: Settings, programs: Sequence[Program], messages: Mapping[str, Sequence[Message]]) -> None:
    """Hold the programs still and send all messages meanwhile. Raises BenchmarkFailed when that takes too long."""
    for program in programs:
        program.hold()
    held = time.perf_counter()
    for topic, sent in messages.items():
        await send(settings, topic, sent)
    if time.perf_counter() - held > _LONGEST_HOLD_SECONDS:
        raise BenchmarkFailed("sending all commands took longer than a consumer's session lasts: measure fewer")
    await asyncio.sleep(_QUIET_SECONDS)


async def measure_held(
    title: str,
    settings: Settings,
    programs: Sequence[Program],
    commands: int,
    observer: Observer,
    events: int,
    statements: StatementLog | None = None,
) -> Round:
    """Let programs go whose commands are all sent, and see as many events. Raises BenchmarkFailed."""
    before = await _written(settings, statements)
    async with metered(processes_of(programs)) as usage:
        began = time.perf_counter()
        for program in programs:
            program.let_go()
        with step(title, events) as show:
            ended = await observer.see(events, check_of(programs), show)
    after = await _written(settings, statements)
    seconds = ended - began
    return Round(
        commands=commands,
        seconds=seconds,
        per_second=commands / seconds,
        transactions=after.transactions - before.transactions,
        wal_bytes=after.wal_bytes - before.wal_bytes,
        statements=statements.count(before.log_bytes, after.log_bytes) if statements else None,
        usage=usage,
    )


def processes_of(programs: Sequence[Program]) -> dict[str, Any]:
    """Return by name all processes to meter: the programs, the servers where they are embedded, and the present one."""
    return {program.name: program.process for program in programs} | server_processes() | {OBSERVER: psutil.Process()}


async def _written(settings: Settings, statements: StatementLog | None) -> _Written:
    """Return how many transactions wrote something so far, and how much went to the write-ahead log and to the log."""
    connection = await connect(settings.database_url)
    try:
        row = await connection.fetchrow(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
        )
    finally:
        await connection.close()
    assert row is not None
    return _Written(int(row[0]), int(row[1]), statements.size() if statements else 0)
