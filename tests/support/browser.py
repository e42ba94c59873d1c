"""A real browser for tests: Debian's Chromium, installed where that can be done, else a reason why there is none."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from embedded.java_libraries import cache_directory
from tests.support.debian import install
from tests.support.folders import locked

CHOSEN = "CHROMIUM"
"""The environment variable that names a browser of one's own."""

FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
"""Containers have neither the namespaces that the sandbox needs nor much shared memory."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


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


def _found() -> str | None:
    return next((str(Path(path)) for name in _NAMES if (path := shutil.which(name))), None)
