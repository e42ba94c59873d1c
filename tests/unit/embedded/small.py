"""A server of one line of Python, for tests of what is done with any server."""

import sys
from signal import Signals

from embedded.data_folder import DataFolder
from embedded.processes import Program
from embedded.server import Server

TAKEN = "import sys; print('Address already in use'); sys.exit(9)"
WRONG = "import sys; print('no'); sys.exit(8)"
UP = "import signal; print('up', flush=True); signal.pause()"


class Small(Server):
    """A server that says when it is ready. What it does at each start is given; the last, at all further ones, too."""

    name, port_names = "Small", ("port",)

    def __init__(self, folder: DataFolder, *starts: str) -> None:
        super().__init__(folder)
        self.starts, self.tried = list(starts), list[int]()

    def preparation(self) -> Program | None:
        return None

    def prepared(self) -> None: ...

    def program(self) -> Program:
        self.tried.append(self.ports["port"])
        code = self.starts.pop(0) if len(self.starts) > 1 else self.starts[0]
        folder = self._folder
        return Program(
            self.name, [sys.executable, "-S", "-c", code], folder.path, folder.log("small"), {},
            [(Signals.SIGTERM, 60.0)], folder.held_open,
        )  # fmt: skip

    def is_ready(self) -> bool:
        return "up" in self._launched().output()
