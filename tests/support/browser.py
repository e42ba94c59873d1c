"""A real browser for tests: Debian's Chromium, installed where that can be done, else a reason why there is none."""

import fcntl
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from embedded.java_libraries import cache_directory
from tests.support.folders import locked

CHOSEN = "CHROMIUM"
"""The environment variable that names a browser of one's own."""

FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
"""Containers have neither the namespaces that the sandbox needs nor much shared memory."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_INSTALLING_SECONDS = 300
_APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120")


def browser() -> str:
    """Return the path of a browser; skips the test, saying why, where there is none and none can be installed."""
    found = os.environ.get(CHOSEN) or _found()
    if found:
        return found
    folder = cache_directory() / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "browser.lock", fcntl.LOCK_EX):
        found, reason = _found(), ""
        if not found:
            reason = install("chromium")
            found = _found()
    if not found:
        pytest.skip(f"there is no Chromium here ({reason}); install it, or name one: {CHOSEN}=/path")
    return found


@cache
def install(*packages: str) -> str:
    """Install Debian's packages, and return why that failed, or nothing."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "packages are installed by root, with apt-get"
    wanted = (*_APT, "install", "-y", "--no-install-recommends", *packages)
    try:
        done = _run(*wanted)
        if done.returncode:
            _run(*_APT, "update")
            done = _run(*wanted)
    except subprocess.TimeoutExpired:
        return "installing it took too long"
    return done.stderr.strip()[-300:] if done.returncode else ""


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=_INSTALLING_SECONDS, check=False
    )


def _found() -> str | None:
    return next((str(Path(path)) for name in _NAMES if (path := shutil.which(name))), None)
