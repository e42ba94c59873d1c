"""A real terminal, in which a test runs a command line, types, and reads what is on the screen."""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.processes import in_foreground
from tests.support.waiting import patience, until

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_HOME = "\x1b[H"
_FULL_SCREEN, _BACK = "\x1b[?1049h", "\x1b[?1049l"


@dataclass
class Terminal:
    """A terminal with a process in its foreground; `written` is all that it was sent."""

    process: asyncio.subprocess.Process
    device: int
    written: bytearray = field(default_factory=bytearray)

    @property
    def screen(self) -> list[str]:
        """The lines that were drawn last, from the top of the screen, without colours."""
        last = self.written.decode(errors="replace").rpartition(_HOME)[2]
        return [line.rstrip() for line in _ESCAPES.sub("", last).replace("\r", "").split("\n")]

    @property
    def is_left_as_it_was(self) -> bool:
        """Whether what filled the screen has given it back, and keys are read by lines and shown again."""
        text = self.written.decode(errors="replace")
        mode = termios.tcgetattr(self.device)[3]
        return text.count(_FULL_SCREEN) == text.count(_BACK) == 1 and bool(
            mode & termios.ICANON and mode & termios.ECHO
        )

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.device, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal."""
        _resize(self.device, columns, lines)

    async def shows(self, words: str) -> list[str]:
        """Wait until the screen shows these words, wherever lines are broken, and return its lines."""

        async def look() -> list[str] | None:
            screen = self.screen
            return screen if words in " ".join(" ".join(screen).split()) else None

        try:
            return await until(look, f'"{words}" on the screen')
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.screen])) from None

    async def ended(self) -> int:
        """Wait until the process has ended, and return its exit status."""
        return await asyncio.wait_for(self.process.wait(), patience(30))


@asynccontextmanager
async def terminal(
    *arguments: str, environment: Mapping[str, str], columns: int = 80, lines: int = 24
) -> AsyncIterator[Terminal]:
    """Yield a terminal in which `whopays` runs with these arguments; it is killed at the end."""
    device, other = pty.openpty()
    _resize(device, columns, lines)

    def in_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        in_foreground()

    variables = {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES"}}
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli", *arguments,
            env={"TERM": "xterm", **variables}, stdin=other, stdout=other, stderr=other, preexec_fn=in_terminal,
        )  # fmt: skip
        made = Terminal(process, device)
        os.set_blocking(device, False)
        loop = asyncio.get_running_loop()

        def read() -> None:
            with contextlib.suppress(OSError):
                made.written.extend(os.read(device, 1 << 16))

        loop.add_reader(device, read)
        try:
            yield made
        finally:
            loop.remove_reader(device)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    finally:
        os.close(device)
        os.close(other)


def _resize(device: int, columns: int, lines: int) -> None:
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
