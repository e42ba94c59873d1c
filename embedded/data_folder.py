"""The folder with everything of one pair of servers: data, logs, chosen ports and password, and locks."""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from embedded.errors import EmbeddedError
from embedded.ports import free_ports, is_free

_OWNER_LOCK = "whopays-embedded.lock"
"""Held by the process that uses the folder; contains its process id. It also marks the folder as ours."""
_SERVERS_LOCK = "servers.lock"
"""Held by every server process of the folder, so that it is free only once the last one has ended."""
_CHOICES = "services.json"
_SMALLEST_FREE_BYTES = 300_000_000
_SECONDS_FOR_OLD_SERVERS = 60.0


@dataclass(frozen=True)
class _Choices:
    password: str | None
    ports: dict[str, int]


class DataFolder:
    """One data folder. Call `acquire` before anything except `path`, and `release` last."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self.path = path.expanduser().absolute()
        self._report = report
        self._owner_lock: IO[str] | None = None
        self._servers_lock: IO[str] | None = None

    def acquire(self) -> None:
        """Create the folder if necessary, and take it for this process.

        Raises `EmbeddedError` when it is not one of ours, is in use by another process, or servers of an earlier run
        do not end.
        """
        if self.path.exists() and any(self.path.iterdir()) and not (self.path / _OWNER_LOCK).exists():
            raise EmbeddedError(
                f"{self.path} is not empty and was not made by whopays, so nothing is written to it. "
                "Choose another data folder."
            )
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._owner_lock = self._lock_for_this_process()
        self._servers_lock = self._lock_for_servers()
        (self.path / "logs").mkdir(exist_ok=True)

    def release(self) -> None:
        """Release the folder. The next one to acquire it still waits for servers that have not ended."""
        for lock in (self._servers_lock, self._owner_lock):
            if lock is not None:
                lock.close()
        self._servers_lock = self._owner_lock = None

    def empty(self) -> None:
        """Delete everything in the folder but its locks."""
        for entry in self.path.iterdir():
            if entry.name not in (_OWNER_LOCK, _SERVERS_LOCK):
                self.remove(entry.name)

    def remove(self, name: str) -> None:
        """Delete one file or folder in it, if it exists."""
        entry = self.path / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)

    def write_private(self, name: str, content: str) -> Path:
        """Write a file that only its owner can read, atomically, and return its path."""
        path, new = self.path / name, self.path / f"{name}.new"
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text(content, encoding="utf-8")
        new.replace(path)
        return path

    def check_space(self) -> None:
        """Raise `EmbeddedError` when the disk has too little space left for the servers."""
        free = shutil.disk_usage(self.path).free
        if free < _SMALLEST_FREE_BYTES:
            raise EmbeddedError(
                f"The disk of {self.path} has only {free / 1e6:.0f} MB left; PostgreSQL and Kafka need at least "
                f"{_SMALLEST_FREE_BYTES / 1e6:.0f} MB. Free some space or choose a data folder on another disk."
            )

    @property
    def held_open(self) -> int:
        """The file that every server process of this folder must keep open."""
        if self._servers_lock is None:
            raise RuntimeError("the folder is not acquired")
        return self._servers_lock.fileno()

    def log(self, name: str) -> Path:
        """Return the path of a log file."""
        return self.path / "logs" / f"{name}.log"

    def password(self) -> str:
        """Return the database's password: random, chosen once."""
        choices = self._choices()
        if choices.password is None:
            choices = _Choices(secrets.token_hex(16), choices.ports)
            self._remember(choices)
        return str(choices.password)

    def choose_ports(self, names: Sequence[str], *, new: bool = False) -> dict[str, int]:
        """Return a port for each name: those of the last run if all are still free, unless `new` ones are wanted."""
        choices = self._choices()
        known = {name: choices.ports[name] for name in names if name in choices.ports}
        if not new and len(known) == len(names) and all(is_free(port) for port in known.values()):
            return known
        chosen = dict(zip(names, free_ports(len(names)), strict=True))
        self._remember(_Choices(choices.password, choices.ports | chosen))
        return chosen

    def _choices(self) -> _Choices:
        path = self.path / _CHOICES
        return _Choices(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else _Choices(None, {})

    def _remember(self, choices: _Choices) -> None:
        self.write_private(_CHOICES, json.dumps(asdict(choices), indent=2))

    def _lock_for_this_process(self) -> IO[str]:
        lock = (self.path / _OWNER_LOCK).open("a+", encoding="utf-8")
        if not _try_lock(lock):
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise EmbeddedError(
                f"{self.path} is in use by process {owner}. End that process, or choose another data folder."
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return lock

    def _lock_for_servers(self) -> IO[str]:
        lock = (self.path / _SERVERS_LOCK).open("a+", encoding="utf-8")
        if _try_lock(lock):
            return lock
        self._report(f"Waiting for the servers of an earlier run in {self.path} to end ...")
        deadline = time.monotonic() + _SECONDS_FOR_OLD_SERVERS
        while time.monotonic() < deadline:
            if _try_lock(lock):
                return lock
            time.sleep(0.05)
        lock.close()
        raise EmbeddedError(
            f"Servers of an earlier run in {self.path} have not ended within {_SECONDS_FOR_OLD_SERVERS:.0f} seconds. "
            f"Look for processes that hold {self.path / _SERVERS_LOCK} open, end them, and try again."
        )


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
