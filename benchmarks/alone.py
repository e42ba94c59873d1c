"""A workload that is measured alone, on an installation of its own: shown, and written to a file where one is named."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from benchmarks.installations import installed, servers
from benchmarks.report import Report, environment_facts, write
from benchmarks.tables import show, show_environment
from workers.runtime.settings import Settings

SizeT = TypeVar("SizeT")


async def measure_alone(
    measured: Callable[[Settings, SizeT], Awaitable[Report]], size: SizeT, json: Path | None
) -> None:
    """Measure, show what came out, and write it to `json`."""
    with servers() as addresses:
        async with installed(addresses) as settings:
            environment = await environment_facts(settings)
            show_environment(environment)
            report = await measured(settings, size)
            show(report)
            if json is not None:
                write(json, environment, [report])
