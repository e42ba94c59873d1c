"""What a command has imported by the time it ends: it decides how fast a command can answer."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.packages import ROOT

HEAVY = {
    "aiokafka",
    "alembic",
    "asyncpg",
    "cryptography",
    "faststream",
    "iso4217",
    "language_tags",
    "phonenumbers",
    "pycountry",
    "pydantic",
    "pydantic_settings",
    "rich",
    "sqlalchemy",
    "stdnum",
    "structlog",
}
"""Packages that take long to import."""

_COMPLETING = """
import os, sys
from cli.program import app
for typed in {lines!r}:
    os.environ |= {{
        "_WHOPAYS_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split(" ")) - 1),
    }}
    try:
        app([], prog_name="whopays")
    except SystemExit:
        pass
print(*sorted(set(name.partition(".")[0] for name in sys.modules)))
"""
_PROGRAM = """
import sys
from cli.program import app
for words in {lines!r}:
    try:
        app(words, standalone_mode=True)
    except SystemExit as ended:
        if {all_answer} and ended.code:
            raise
print(*sorted(set(name.partition(".")[0] for name in sys.modules)))
"""


def completed(*lines: str) -> tuple[list[str], set[str]]:
    """Return what a shell is offered for these beginnings of lines, and the packages that were imported for it."""
    out = _run(_COMPLETING.format(lines=lines), {}, None)
    return out[:-1], set(out[-1].split())


def imported(*words: str, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> set[str]:
    """Return the packages that a process has imported after it ran a command; `environment` has its settings."""
    program = _PROGRAM.format(lines=[words], all_answer=False)
    return set(_run(program, environment or {}, folder)[-1].split())


def imported_by_all(lines: Sequence[str], environment: Mapping[str, str]) -> set[str]:
    """Return the packages that a process has imported after it ran commands, each of which must have answered."""
    program = _PROGRAM.format(lines=[line.split() for line in lines], all_answer=True)
    return set(_run(program, environment, None)[-1].split())


def _run(program: str, environment: Mapping[str, str], folder: Path | None) -> list[str]:
    silent = {name: value for name, value in os.environ.items() if not name.startswith("WHOPAYS_")}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**silent, **environment, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.splitlines()
