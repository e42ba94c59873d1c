"""`python -m tests.soak --minutes 60`: break things under load for that long, and report."""

import asyncio
import logging
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.soak.report import show, write
from tests.soak.running import Outcome, soak


def main(
    minutes: Annotated[float, typer.Option(min=0.5, help="How many minutes to keep breaking things.")] = 10,
    seed: Annotated[int | None, typer.Option(help="Repeats a run's random choices.")] = None,
    rate: Annotated[float, typer.Option(min=1, help="Records sent per second.")] = 60,
    report: Annotated[Path | None, typer.Option(help="Write soak.json, soak.md and soak.svg to this folder.")] = None,
) -> None:
    """Break everything under mixed load, at random; exit status 1 when anything was lost, doubled or wrong."""
    drawn = seed if seed is not None else SystemRandom().randrange(1_000_000)
    typer.echo(f"seed {drawn}", err=True)
    # The soak's own clients complain about what it does to the servers.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    outcome = asyncio.run(_shown(minutes * 60, drawn, rate))
    show(outcome, Console())
    if report is not None:
        write(outcome, report)
    raise typer.Exit(1 if outcome.wrong else 0)


async def _shown(seconds: float, seed: int, rate: float) -> Outcome:
    console = Console(stderr=True)
    if not console.is_terminal:
        return await soak(seconds, seed, rate, console.log)
    columns = TextColumn("{task.description:<36}"), BarColumn(bar_width=30), TimeElapsedColumn()
    with Progress(*columns, console=console, refresh_per_second=1) as progress:
        task = progress.add_task("starting", total=seconds)

        async def move_on() -> None:
            while True:
                await asyncio.sleep(1)
                progress.advance(task)

        moving = asyncio.create_task(move_on())
        try:
            return await soak(seconds, seed, rate, lambda words: progress.update(task, description=words))
        finally:
            moving.cancel()


if __name__ == "__main__":
    typer.run(main)
