"""What a command has imported by the time it ends: it decides how fast a command can answer."""

import os
import subprocess
import sys
from collections.abc import Mapping
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

_PROGRAM = """
import sys
from cli.program import app
try:
    app({words!r}, standalone_mode=True)
except SystemExit:
    pass
print(*sorted(set(name.partition(".")[0] for name in sys.modules)))
"""


def imported(*words: str, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> set[str]:
    """Return the packages that a process has imported after it ran a command; `environment` has its settings."""
    silent = {name: value for name, value in os.environ.items() if not name.startswith("WHOPAYS_")}
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(words=words)],
        env={**silent, **(environment or {}), "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stdout.splitlines()[-1].split())
