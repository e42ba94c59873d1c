"""One measured round, the same for every workload: hold, preload, let go, see the last event."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import connect
from benchmarks.processes import Program, check_of
from benchmarks.traffic import Message, Observer, send
from benchmarks.usage import Usage, metered, server_processes
from workers.settings import Settings

_QUIET_SECONDS = 0.5
"""For the servers to finish what the preloading left to do."""

_LONGEST_HOLD_SECONDS = 8.0
"""Less than a consumer's session (10 s): a longer hold would measure how its group takes it in again."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to. `transactions` are those of PostgreSQL that wrote something, `usage` is by process."""

    commands: int
    seconds: float
    per_second: float
    transactions: int
    wal_bytes: int
    usage: Mapping[str, Usage]


async def measure(
    settings: Settings, programs: Sequence[Program], topic: str, messages: Sequence[Message], observer: Observer
) -> Round:
    """Hold the programs, send all messages to their topic, let them go, and see as many events as messages.

    Measured is the time from letting go until the observer has got the last event. Raises BenchmarkFailed.
    """
    for program in programs:
        program.hold()
    held = time.perf_counter()
    await send(settings, topic, messages)
    if time.perf_counter() - held > _LONGEST_HOLD_SECONDS:
        raise BenchmarkFailed("sending all commands took longer than a consumer's session lasts: measure fewer")
    await asyncio.sleep(_QUIET_SECONDS)
    processes: dict[str, Any] = {program.name: program.process for program in programs}
    processes |= server_processes() | {"benchmark (observer)": psutil.Process()}
    before = await _written(settings)
    async with metered(processes) as usage:
        began = time.perf_counter()
        for program in programs:
            program.let_go()
        ended = await observer.see(len(messages), check_of(programs))
    after = await _written(settings)
    seconds = ended - began
    return Round(
        commands=len(messages),
        seconds=seconds,
        per_second=len(messages) / seconds,
        transactions=after[0] - before[0],
        wal_bytes=after[1] - before[1],
        usage=usage,
    )


async def _written(settings: Settings) -> tuple[int, int]:
    """Give how many transactions wrote something so far, and how many bytes of write-ahead log there are."""
    connection = await connect(settings.database_url)
    try:
        row = await connection.fetchrow(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
        )
    finally:
        await connection.close()
    assert row is not None
    return int(row[0]), int(row[1])
