"""Disks that a test may fill, and slow disks."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil

from tests.support.waiting import until

_BLOCK_BYTES = 64 * 1024
_DELAYED = "(DELAYED)"


def why_no_disks() -> str | None:
    """Return why no small disk can be mounted here, if that is so."""
    if shutil.which("mount") is None:
        return "there is no mount command"
    with tempfile.TemporaryDirectory() as place:
        mounting = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place]
        tried = subprocess.run(mounting, capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            return f"a tmpfs cannot be mounted: {tried.stderr.strip()}"
        subprocess.run(["umount", place], check=True)
    return None


def why_not_slow() -> str | None:
    """Return why a server's disk cannot be slowed down here, if that is so."""
    if shutil.which("strace") is None:
        return "there is no strace, which can delay the system calls of another process"
    traced = subprocess.run(
        ["strace", "-o", "/dev/null", "-e", "inject=fsync:delay_enter=1", "true"], capture_output=True, check=False
    )
    return None if traced.returncode == 0 else f"strace may not trace: {traced.stderr.decode().strip()}"


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a file system of that size, and unmount it in the end."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], check=True)
        try:
            yield Path(place)
        finally:
            # Whatever still has a file open there is about to end.
            subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Fill a disk for the length of a block; space that is freed meanwhile is not filled again."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(_BLOCK_BYTES))
        except OSError:
            pass
    try:
        yield
    finally:
        ballast.unlink()


@asynccontextmanager
async def slow_disk(
    processes: Sequence[psutil.Process], calls: Sequence[str], seconds: float, log: Path
) -> AsyncIterator[None]:
    """Delay system calls of processes, and of their children, for the length of a block.

    Asserts in the end that some were delayed.
    """
    names = ",".join(calls)
    attaching = [option for process in processes for option in ("-p", str(process.pid))]
    tracer = await asyncio.create_subprocess_exec(
        "strace",
        "-f",
        "-qq",
        "-o",
        str(log),
        "-e",
        f"trace={names}",
        "-e",
        f"inject={names}:delay_enter={int(seconds * 1_000_000)}",
        *attaching,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:

        async def is_slow() -> bool:
            return await asyncio.to_thread(_names_a_delay, log)

        await until(is_slow, "a delayed call")
        yield
    finally:
        os.kill(tracer.pid, signal.SIGINT)
        await tracer.wait()


def _names_a_delay(log: Path) -> bool:
    return log.exists() and _DELAYED in log.read_text(errors="replace")
