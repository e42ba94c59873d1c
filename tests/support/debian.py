"""Packages of Debian that tests need: installed where that can be done, else a reason why they are missing."""

import fcntl
import os
import shutil
import subprocess
from functools import cache

import pytest

from embedded.java_libraries import cache_directory
from tests.support.folders import locked

_INSTALLING_SECONDS = 300
_APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120")


def program(name: str, package: str) -> str:
    """Return the path of a program, whose package is installed if need be.

    Skips the test, naming the program, where there is none and none can be installed.
    """
    if (found := shutil.which(name)) is None:
        folder = cache_directory() / "tests"
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "debian.lock", fcntl.LOCK_EX):
            reason = "" if shutil.which(name) else install(package)
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"there is no {name} here ({reason or 'its package has none'})")
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
