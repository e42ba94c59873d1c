"""`python -m benchmarks [WORKLOAD]`: measure a workload; `rebinding` when none is named."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import rebinding, suspension
from benchmarks.failures import BenchmarkFailed
from benchmarks.report import show, write

_DEFAULT = "rebinding"

program = typer.Typer(
    name="benchmarks",
    help="Measure whopays on a real PostgreSQL and a real Kafka: those of WHOPAYS_DATABASE_URL and "
    "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS, or else fresh embedded ones.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@program.command("rebinding")
def measure_rebinding(
    commands: Annotated[int, typer.Option(min=1, help="Rebinding commands of one round.")] = 20_000,
    organizations: Annotated[int, typer.Option(min=1, help="Organizations that the commands are spread over.")] = 200,
    projects: Annotated[int, typer.Option(min=1, help="Projects in all, each bound before.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of baseline and workload in turn.")] = 3,
    one_process: Annotated[bool, typer.Option("--one-process", help="One process for worker and relay.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Rebinding commands per second, end to end."""
    size = rebinding.Size(commands, organizations, max(projects, organizations), rounds, one_process)
    try:
        report = asyncio.run(rebinding.run(size))
    except BenchmarkFailed as failure:
        typer.echo(f"The benchmark failed: {failure}", err=True)
        raise typer.Exit(1) from None
    show(report)
    if json is not None:
        write(report, json)


@program.command("suspension")
def measure_suspension(
    projects: Annotated[int, typer.Option(min=1, help="Projects that the account pays for.")] = 100_000,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Suspension of an account with very many projects: when they are told, and what a neighbour notices of it."""
    try:
        figures = asyncio.run(suspension.run(projects))
    except BenchmarkFailed as failure:
        typer.echo(f"The benchmark failed: {failure}", err=True)
        raise typer.Exit(1) from None
    suspension.show(figures)
    if json is not None:
        suspension.write(figures, json)


if __name__ == "__main__":
    # Told to end, it ends its processes first, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = [_DEFAULT, *arguments]
    program(arguments)
