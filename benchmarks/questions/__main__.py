"""`python -m benchmarks.questions`: how fast questions are answered, beside what cannot be avoided."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import installed, servers
from benchmarks.questions.filling import Filled, fill
from benchmarks.questions.lookups import lookups
from benchmarks.questions.points import points
from benchmarks.questions.report import Measured, table, write
from benchmarks.questions.service import serving
from benchmarks.questions.streams import events, many_streams, month
from benchmarks.report import environment_facts

program = typer.Typer(pretty_exceptions_enable=False)


@program.command()
def main(
    projects: Annotated[int, typer.Option(min=2_000, help="Projects; each has five payers.")] = 1_000_000,
    of_huge: Annotated[int, typer.Option(min=1_000, help="Those of one huge organization.")] = 100_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each kind of question is asked.")] = 5.0,
    streams: Annotated[int | None, typer.Option(min=1, help="Measure so many open streams, and nothing else.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Load a large database, and ask questions of all kinds."""
    try:
        asyncio.run(_run(Filled(projects, of_huge), seconds, streams, json))
    except BenchmarkFailed as failure:
        typer.echo(f"The benchmark failed: {failure}", err=True)
        raise typer.Exit(1) from None


async def _run(filled: Filled, seconds: float, streams: int | None, json: Path | None) -> None:
    with servers() as addresses:
        async with installed(addresses) as settings:
            await fill(settings, filled)
            found: list[Measured] = []
            with serving(settings) as service:
                if streams is not None:
                    found += await many_streams(service, settings, filled, streams)
                else:
                    found += await points(service, settings, filled, seconds)
                    found += await lookups(service, settings, filled)
                    found.append(await month(service, filled))
                    found.append(await events(service, settings, filled))
            typer.echo(table(found))
            typer.echo(f"\nLoad of the machine: {os.getloadavg()[1]:.1f}")
            if json is not None:
                facts = await environment_facts(settings) | {"load": os.getloadavg()[1]}
                write(json, facts | {"projects": filled.projects}, found)


if __name__ == "__main__":
    program()
