"""The base of both servers: they are launched on free ports, and waited for."""

import time
from abc import ABC, abstractmethod
from typing import ClassVar

from embedded.data_folder import DataFolder
from embedded.processes import Process, Program

_SECONDS_TO_START = 120.0
_SECONDS_BETWEEN_LOOKS = 0.02
_ATTEMPTS_WITH_PORTS = 5


class Server(ABC):
    """One server in an acquired data folder: prepared, launched, waited for, stopped."""

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._process: Process | None = None
        self.ports: dict[str, int] = {}

    @property
    def supervisor_id(self) -> int:
        """The process id of the launched server's supervisor."""
        return self._launched().supervisor_id

    @property
    def has_ended(self) -> bool:
        """Whether the launched server has ended, for any reason."""
        return self._launched().exit_code() is not None

    @abstractmethod
    def preparation(self) -> Program | None:
        """Return the program that must run once before the server's first start, or None if it has."""

    @abstractmethod
    def prepared(self) -> None:
        """Move the result of the preparation into place; called once it has succeeded."""

    @abstractmethod
    def program(self) -> Program:
        """Return the server as a program, for the current ports."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether the launched server answers."""

    def launch(self) -> None:
        """Start the server without waiting for it."""
        self.ports = self._folder.choose_ports(self.port_names)
        self._process = Process(self.program())

    def relaunch(self) -> None:
        """Start a server that has ended again, on the same ports, without waiting for it."""
        self.stop()
        self._process = Process(self.program())

    def description_of_end(self) -> str:
        """Say that the launched server has ended, and where its log is."""
        return self._launched().description_of_end()

    def wait_until_ready(self) -> None:
        """Wait until the launched server answers; choose other ports if another process has taken these meanwhile.

        Raises `EmbeddedError`, with the end of the log, when it ends or does not answer within two minutes.
        """
        for left in reversed(range(_ATTEMPTS_WITH_PORTS)):
            process = self._launched()
            deadline = time.monotonic() + _SECONDS_TO_START
            while process.exit_code() is None:
                if self.is_ready():
                    return
                if time.monotonic() > deadline:
                    raise process.failure(f"does not answer after {_SECONDS_TO_START:.0f} seconds")
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            if not left or "Address already in use" not in process.output():
                raise process.failure(f"ended while starting (exit code {process.exit_code()})")
            self.stop()
            self.ports = self._folder.choose_ports(self.port_names, new=True)
            self._process = Process(self.program())

    def ask_to_stop(self) -> None:
        """Start a clean stop without waiting for it."""
        if self._process is not None:
            self._process.ask_to_stop()

    def stop(self) -> None:
        """Stop the server, if it runs, and wait until it has ended."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _launched(self) -> Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not launched")
        return self._process
