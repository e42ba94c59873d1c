"""What processes use while something is measured: CPU time and memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psutil

OTHERS = "other programs"

_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(slots=True)
class Usage:
    """CPU time (user and system) of a process with its children; the most memory seen, what they share counted once."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0


def server_processes() -> dict[str, Any]:
    """Return PostgreSQL and Kafka by name where they run below this process, that is, where they are embedded."""
    found: dict[str, Any] = {}
    names = {"postgres": "PostgreSQL", "java": "Apache Kafka"}
    for process in psutil.Process().children(recursive=True):
        # A session of PostgreSQL may have ended meanwhile.
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() in names:
                found.setdefault(names[process.name()], process)
    return found


@asynccontextmanager
async def metered(processes: Mapping[str, Any]) -> AsyncIterator[dict[str, Usage]]:
    """Meter processes by name until the context ends; the children of the present process are not counted as its own.

    The figures are complete once the context has ended. `OTHERS` is the CPU time of all that is not named: a machine
    that does something else meanwhile gives no figures worth comparing.
    """
    usages = {name: Usage() for name in processes}
    before = {name: _cpu_seconds(process) for name, process in processes.items()}
    all_before = _machine_cpu_seconds()
    # To look for children takes milliseconds: it is done for those alone that have some, which is PostgreSQL.
    families = {name: process for name, process in processes.items() if len(_family(process)) > 1}
    looking = asyncio.create_task(_keep_looking(processes, families, usages))
    try:
        yield usages
    finally:
        looking.cancel()
        _look(processes, families, usages)
        for name, process in processes.items():
            with contextlib.suppress(psutil.NoSuchProcess):  # whoever waits for what it does says that it has ended
                usages[name].cpu_seconds = _cpu_seconds(process) - before[name]
        named = sum(usage.cpu_seconds for usage in usages.values())
        usages[OTHERS] = Usage(max(0.0, _machine_cpu_seconds() - all_before - named))


async def _keep_looking(processes: Mapping[str, Any], families: Mapping[str, Any], usages: Mapping[str, Usage]) -> None:
    while True:
        _look(processes, families, usages)
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)


def _look(processes: Mapping[str, Any], families: Mapping[str, Any], usages: Mapping[str, Usage]) -> None:
    for name, process in processes.items():
        members = _family(process) if name in families else [process]
        usages[name].peak_bytes = max(usages[name].peak_bytes, _memory_bytes(members))


def _family(process: Any) -> list[Any]:
    if process.pid == psutil.Process().pid:
        return [process]
    return [process, *process.children(recursive=True)]


def _cpu_seconds(process: Any) -> float:
    seconds = 0.0
    for member in _family(process):
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
        if process.pid != psutil.Process().pid:
            # Those that have ended since the beginning, such as sessions of PostgreSQL.
            seconds += times.children_user + times.children_system
    return seconds


def _machine_cpu_seconds() -> float:
    times = psutil.cpu_times()._asdict()
    return float(sum(seconds for name, seconds in times.items() if name not in ("idle", "iowait")))


def _memory_bytes(members: Sequence[Any]) -> int:
    shared, private = 0, 0
    for member in members:
        try:
            memory = member.memory_info()
        except psutil.NoSuchProcess:
            continue
        # Only Linux tells what is shared; PostgreSQL's sessions share most of what they hold.
        common = getattr(memory, "shared", 0)
        shared, private = max(shared, common), private + memory.rss - common
    return shared + private
