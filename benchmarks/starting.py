"""`python -m benchmarks.starting`: how long each command takes from the shell's prompt to the answer.

Those that ask are asked on an installation with a single project; of all others their help is shown, which takes what
they import to show it. A shell completes the name of a command, and an option of one.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

import typer

from benchmarks.exporting import fill
from benchmarks.installations import environment_of, installed, servers
from cli.program import COMMANDS, Group

_ASKED: Mapping[str, Sequence[str]] = {
    "who": ("org-0", "project-0"),
    "project": ("org-0", "project-0"),
    "timeline": ("org-0", "project-0"),
    "account": ("org-0", "account-1"),
    "accounts": ("org-0",),
    "projects": ("org-0",),
    "unbound": ("org-0",),
    "intervals": ("org-0", "project-0"),
    "changes": ("org-0",),
    "export intervals": ("--from", "2027-01-01T00:00:00Z", "--until", "2027-02-01T00:00:00Z", "--format", "csv"),
}
_COMPLETED = ("whopays pro", "whopays projects --", "whopays export intervals --", "whopays send --")


def main(rounds: int = 5) -> None:
    """Start every command several times, and print the medians of wall-clock and processor time."""
    asyncio.run(_run(rounds))


async def _run(rounds: int) -> None:
    with servers() as addresses, tempfile.TemporaryDirectory(prefix="whopays-starting-") as folder:
        async with installed(addresses) as settings:
            await fill(settings, 1)
            environment = environment_of(settings)
            typer.echo("| command | wall, s | CPU, s |\n| --- | --- | --- |")
            for name, words, further in _started():
                wall, cpu = await asyncio.to_thread(_measure, words, {**environment, **further}, folder, rounds)
                typer.echo(f"| {name} | {wall:.2f} | {cpu:.2f} |")


def _started() -> Iterator[tuple[str, Sequence[str], Mapping[str, str]]]:
    """Yield what is measured: its name, the words after `whopays`, and variables."""
    for listed in COMMANDS.values():
        for one in listed:
            for command in one.commands if isinstance(one, Group) else (one,):
                name = f"{one.name} {command.name}" if isinstance(one, Group) else one.name
                words = name.split()
                if name in _ASKED:
                    yield f"`{name}`", [*words, *_ASKED[name]], {}
                else:
                    yield f"`{name} --help`", [*words, "--help"], {}
    for typed in _COMPLETED:
        place = str(len(typed.split()) - 1)
        yield f"completing `{typed}`", [], {
            "_WHOPAYS_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": place,
        }  # fmt: skip


def _measure(words: Sequence[str], environment: Mapping[str, str], folder: str, rounds: int) -> tuple[float, float]:
    program = [sys.executable, "-c", "import sys; sys.argv[0] = 'whopays'; from cli import main; main()", *words]
    wall, cpu = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        process = subprocess.Popen(program, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall.append(time.perf_counter() - began)
        cpu.append(usage.ru_utime + usage.ru_stime)
        if status:
            raise typer.Exit(1)
    return statistics.median(wall), statistics.median(cpu)


if __name__ == "__main__":
    typer.run(main)
