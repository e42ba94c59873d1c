"""Tools of other languages: found on the machine or the test is skipped by their name, and prepared once."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from embedded.java_libraries import cache_directory
from tests.support.folders import locked

NODE = Path(__file__).parent / "node"
"""What the tests themselves need of Node."""

_PREPARING_SECONDS = 240
_BUILT = {"node_modules", "bin", "classes"}
# Go would fetch another Go for a module that asks for one. Its compiler takes less time where it may use more memory.
_ENVIRONMENT = {"GOTOOLCHAIN": "local", "GOGC": "400"}


def needs(*tools: str) -> pytest.MarkDecorator:
    """Return the mark of a test that is skipped where one of the tools is not on the search path."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"there is no {' and no '.join(missing)} here")


def prepared(folder: Path, *command: str) -> Path:
    """Return a copy of a folder in which a command has run; it runs once for as long as the folder stays the same.

    Skips the test where the command fails, as it does without the registry that it downloads from.
    """
    digest = hashlib.sha256("\0".join(command).encode())
    files = sorted(path for path in folder.rglob("*") if path.is_file() and _BUILT.isdisjoint(path.parts))
    for path in files:
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    cache = cache_directory() / "tests"
    cache.mkdir(parents=True, exist_ok=True)
    copy = cache / f"{folder.name}-{digest.hexdigest()[:16]}"
    with locked(cache / f"{copy.name}.lock", fcntl.LOCK_EX):
        if not copy.exists():
            unfinished = copy.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            for path in files:
                target = unfinished / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
            done = subprocess.run(
                command,
                cwd=unfinished,
                env=os.environ | _ENVIRONMENT,
                capture_output=True,
                text=True,
                timeout=_PREPARING_SECONDS,
                check=False,
            )
            if done.returncode:
                pytest.skip(f"{' '.join(command)} failed in {folder.name}: {done.stderr[-500:]}")
            unfinished.rename(copy)
    return copy


def npm_packages(folder: Path = NODE) -> Path:
    """Return a copy of a folder in which the packages of its package-lock.json are installed."""
    return prepared(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
