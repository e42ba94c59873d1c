"""`whopays top`: what an installation is doing, on a live screen, or printed once for pipes."""

import asyncio
import os
import re
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPException

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.control import Control
from rich.segment import Segment
from rich.text import Text

from cli.operating.scraping import told_by, url_of
from cli.operating.top_document import document_of
from cli.operating.top_screen import drawn_view
from cli.operating.watched import View, Watched
from cli.terminal.ending import Misused
from cli.terminal.installation import load_settings
from cli.terminal.output import print_json, print_json_line
from cli.terminal.screen import console, put
from workers.runtime.settings import Settings

_REPAINT_SECONDS = 1.0
_LINES = {"j": 1, "\x1b[B": 1, "k": -1, "\x1b[A": -1, " ": 10, "\x1b[6~": 10, "b": -10, "\x1b[5~": -10}
"""The number of lines that each key scrolls."""
_ENDING = {"q", "Q", "\x04"}
_KEY = re.compile(r"\x1b\[[0-9]*[A-Z~]|.", re.DOTALL)


def top(*, metrics: Sequence[str] | None, every: float, is_once: bool, as_json: bool) -> None:
    """Watch until the user quits; print one screen with `is_once`, or if there is no terminal.

    With `as_json`, print a document per look, or a single one with `is_once`.
    """
    settings = load_settings()
    urls = [_url(word) for word in metrics] if metrics else _own_urls(settings)
    if as_json:
        with suppress(KeyboardInterrupt):
            asyncio.run(_print_documents(settings, urls, every, is_once=is_once))
        return
    screen = console()
    if is_once or not screen.is_terminal or screen.is_dumb_terminal:
        view = asyncio.run(_looked_at(settings, urls, every))
        put(screen, *drawn_view(view, datetime.now(UTC)))
        return
    with suppress(KeyboardInterrupt):
        asyncio.run(_watch(settings, urls, every, screen))


def _url(word: str) -> str:
    try:
        return url_of(word)
    except ValueError:
        raise Misused(f"--metrics {word}: say HOST:PORT, or a URL.") from None


def _own_urls(settings: Settings) -> list[str]:
    """Return the metrics URL of the process on this host, if there is one."""
    if not settings.metrics_port:
        return []
    url = url_of(f"127.0.0.1:{settings.metrics_port}")
    try:
        told_by(url)
    except (OSError, HTTPException, ValueError):
        return []
    return [url]


async def _looked_at(settings: Settings, urls: Sequence[str], every: float) -> View:
    """Look twice, because rates need two looks."""
    watched = Watched(settings, urls, every)
    try:
        await watched.look_once()
        await asyncio.sleep(min(every, 1.0))
        await watched.look_once()
    finally:
        await watched.close()
    return watched.view


async def _print_documents(settings: Settings, urls: Sequence[str], every: float, *, is_once: bool) -> None:
    if is_once:
        print_json(document_of(await _looked_at(settings, urls, every), datetime.now(UTC)))
        return
    watched = Watched(settings, urls, every)
    try:
        while True:
            await watched.look_once()
            print_json_line(document_of(watched.view, datetime.now(UTC)))
            await asyncio.sleep(every)
    finally:
        await watched.close()


async def _watch(settings: Settings, urls: Sequence[str], every: float, screen: Console) -> None:
    watched = Watched(settings, urls, every)
    pane = _Pane()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def press(key: str) -> None:
        if key in _ENDING:
            ended.set()
        pane.scroll(key)
        watched.changed.set()

    with screen.screen(hide_cursor=True) as shown, _keys(loop, press):
        loop.add_signal_handler(signal.SIGWINCH, watched.changed.set)
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        watching = asyncio.create_task(watched.watch())
        try:
            while not ended.is_set() and not watching.done():
                watched.changed.clear()
                pane.content = Group(*drawn_view(watched.view, datetime.now(UTC)))
                screen.control(Control.home())
                shown.update(pane)
                await _first_of(watching, ended, watched.changed)
            if watching.done():
                await watching
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            await watched.close()


async def _first_of(watching: "asyncio.Task[None]", *events: asyncio.Event) -> None:
    """Wait for the first of them, at most until the clock on the screen must be repainted."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait([watching, *waits], timeout=_REPAINT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()


class _Pane:
    """A scrollable view of the content that fills the screen, with a last line that explains the keys."""

    def __init__(self) -> None:
        self.content = Group()
        self.offset = 0

    def scroll(self, key: str) -> None:
        """Scroll as a key demands, but not above the first line."""
        self.offset = max(0, self.offset + _LINES.get(key, 0))

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the visible lines; if everything fits, the offset is reset."""
        lines = screen.render_lines(self.content, options.update(height=None), pad=False)
        room = max(1, (options.height or screen.height) - 1)
        beneath = max(0, len(lines) - room)
        self.offset = min(self.offset, beneath)
        for line in lines[self.offset : self.offset + room]:
            yield from line
            yield Segment.line()
        yield from [Segment.line()] * max(0, room - len(lines))
        more = f"  arrows scroll: {beneath - self.offset} more below" if beneath else ""
        yield Text(f"q ends{more}", style="dim", end="", no_wrap=True, overflow="crop")


@contextmanager
def _keys(loop: asyncio.AbstractEventLoop, press: Callable[[str], None]) -> Iterator[None]:
    """Call a function with each key pressed until the block ends; none if standard input is not a terminal."""
    if not sys.stdin.isatty():
        yield
        return
    source = sys.stdin.fileno()
    before = termios.tcgetattr(source)
    tty.setcbreak(source)

    def read() -> None:
        for key in _KEY.findall(os.read(source, 1024).decode(errors="replace")):
            press(key)

    loop.add_reader(source, read)
    try:
        yield
    finally:
        loop.remove_reader(source)
        termios.tcsetattr(source, termios.TCSADRAIN, before)
