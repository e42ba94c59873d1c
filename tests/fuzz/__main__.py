"""`python -m tests.fuzz`: ask the HTTP service all that its OpenAPI document allows, and all that it does not."""

import asyncio
import tempfile
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import typer

from tests.faults.own_servers import own_servers
from tests.fuzz.calling import PHASES, Called, call_all, tell_the_examples
from workers.runtime.roles import ALL_ROLES


def main(
    examples: Annotated[int, typer.Option(min=1, help="Calls of each operation in each phase.")] = 900,
    seed: Annotated[int | None, typer.Option(help="Repeats a run's random choices.")] = None,
    phases: Annotated[
        str, typer.Option(help="Which of the phases; `stateful` are the calls that follow links.")
    ] = PHASES,
) -> None:
    """Fuzz the HTTP service; exit status 1 when an answer was not as the document says, or the log has a traceback.

    So it is when no link of the document was followed.
    """
    drawn = seed if seed is not None else SystemRandom().randrange(1_000_000)
    called = asyncio.run(_called(examples, drawn, phases))
    typer.echo(called.said)
    typer.echo(f"{called.calls:,} calls, {called.followed:,} of them by {called.links} links, seed {drawn}")
    if called.log:
        typer.echo(f"The server logged:\n{called.log}", err=True)
    raise typer.Exit(0 if called.is_well and called.followed and "Traceback" not in called.log else 1)


async def _called(examples: int, seed: int, phases: str) -> Called:
    with tempfile.TemporaryDirectory(prefix="whopays-fuzz-") as folder:
        async with own_servers() as own, own.installation() as installation:
            await installation.start(*ALL_ROLES)
            await tell_the_examples(installation)
            return await call_all(installation, Path(folder), examples, seed, phases)


if __name__ == "__main__":
    typer.run(main)
