"""A connection to a server that a test can break as networks do, whatever the protocol."""

import asyncio
import contextlib
import socket
import struct
import time
from enum import Enum
from functools import partial
from typing import Self

_CHUNK_BYTES = 65_536
_ON_THE_WAY = 1_000
"""How many chunks a slow network buffers."""
_NOTHING_LINGERS = struct.pack("ii", 1, 0)


class Towards(Enum):
    """A direction."""

    SERVER = "server"
    CLIENT = "client"

    @property
    def back(self) -> "Towards":
        """The other direction."""
        return Towards.CLIENT if self is Towards.SERVER else Towards.SERVER


class Link:
    """One client's connection, and the matching one to the server."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._readers = {Towards.SERVER: client[0], Towards.CLIENT: server[0]}
        self._writers = {Towards.SERVER: server[1], Towards.CLIENT: client[1]}
        self._closed: set[Towards] = set()

    def source(self, towards: Towards) -> asyncio.StreamReader:
        """Return the reader for a direction."""
        return self._readers[towards]

    async def send(self, towards: Towards, data: bytes) -> None:
        """Send data in a direction; it is lost if that direction is already closed."""
        writer = self._writers[towards]
        if towards not in self._closed and not writer.is_closing():
            writer.write(data)
            await writer.drain()

    def half_close(self, towards: Towards) -> None:
        """Tell one side that nothing more will come; it may itself continue to send."""
        writer = self._writers[towards]
        if towards not in self._closed and not writer.is_closing():
            writer.write_eof()
        self._closed.add(towards)

    def reset(self, *sides: Towards) -> None:
        """Reset the connections to these sides (both if none is named)."""
        for towards in sides or Towards:
            connection = self._writers[towards].get_extra_info("socket")
            if connection.fileno() >= 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOTHING_LINGERS)
            self._writers[towards].transport.abort()

    def end(self) -> None:
        """Close what is still open."""
        for writer in self._writers.values():
            writer.transport.abort()


class Proxy:
    """Forwards bytes to a server, as long as a test lets it; `used` is set once someone has connected.

    Faults are counted, so that a test can tell that its own happened: `delayed` chunks, and `kept_waiting`, which is
    set as soon as something is stuck in a network that is held.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener: socket.socket | None = None
        self._port = 0
        self._passing = asyncio.Event()
        self._delay_seconds = 0.0
        self._bytes_per_second = 0.0
        self._links: dict[asyncio.Task[None], Link | None] = {}
        self._failures: list[BaseException] = []
        self.used = asyncio.Event()
        self.kept_waiting = asyncio.Event()
        self.delayed = 0

    @property
    def port(self) -> int:
        """The port on the loopback address that stands for the server's."""
        return self._port

    @property
    def links(self) -> list[Link]:
        """The connections that are open."""
        return [link for link in self._links.values() if link is not None]

    async def mend(self) -> None:
        """Let everything through at full speed, on the same port as ever."""
        self._delay_seconds = self._bytes_per_second = 0.0
        self._passing.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self._port))
            self._listener.setblocking(False)
            self._port = self._listener.getsockname()[1]
            asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    def hold(self) -> None:
        """Let nothing through, silently, like a network that swallows packets. Once mended, what was sent arrives."""
        self.kept_waiting.clear()
        self._passing.clear()

    def slow_down(self, *, delay_seconds: float = 0.0, bytes_per_second: float = 0.0) -> None:
        """Delay everything and, unless the rate is 0, limit each connection to that rate."""
        self._delay_seconds, self._bytes_per_second = delay_seconds, bytes_per_second

    def half_close(self, towards: Towards) -> int:
        """Close all connections in one direction, and return how many there were."""
        links = self.links
        for link in links:
            link.half_close(towards)
        return len(links)

    async def sever(self) -> int:
        """End all connections, and return how many there were; new ones are let through."""
        tasks, severed = list(self._links), len(self.links)
        for link in self.links:
            link.reset()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return severed

    async def cut(self) -> int:
        """End all connections, refuse new ones, and return how many there were."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        return await self.sever()

    async def close(self) -> None:
        """End all connections. Raises errors of the proxy itself, which are not faults that a test asked for."""
        await self.cut()
        for failure in self._failures:
            raise failure

    def joined(self, link: Link) -> None:
        """Called for a new connection."""

    def left(self, link: Link) -> None:
        """Called at the end of a connection."""

    async def read(self, link: Link, towards: Towards) -> bytes:
        """Return the next chunk in a direction; empty at its end."""
        return await link.source(towards).read(_CHUNK_BYTES)

    async def passing(self, link: Link, towards: Towards, data: bytes) -> bytes:
        """Return what is sent in place of a chunk, or nothing to drop it; this may take any time."""
        return data

    def _accept(self, listener: socket.socket) -> None:
        # Connections that asyncio accepts while it is being stopped are closed by nobody else.
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            accepted, _ = listener.accept()
            accepted.setblocking(False)
            # Do not hold back small messages, as asyncio ensures for its own sockets.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.used.set()
            task = asyncio.create_task(self._connected(accepted))
            self._links[task] = None
            task.add_done_callback(partial(self._ended, accepted))

    def _ended(self, accepted: socket.socket, task: asyncio.Task[None]) -> None:
        # Also if it was cancelled before it began.
        accepted.close()
        del self._links[task]

    async def _connected(self, accepted: socket.socket) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            near = await asyncio.open_connection(sock=accepted)
            try:
                far = await asyncio.open_connection(*self._target)
                link = self._links[task] = Link(near, far)
                self.joined(link)
                try:
                    async with asyncio.TaskGroup() as pumps:
                        for towards in Towards:
                            pumps.create_task(self._pump(link, towards))
                finally:
                    link.end()
                    self.left(link)
            finally:
                near[1].transport.abort()
        except OSError:
            pass  # the server is down, as its client learns now
        except Exception as failure:  # noqa: BLE001 (raised when the proxy is closed)
            self._failures.append(failure)

    async def _pump(self, link: Link, towards: Towards) -> None:
        arrived: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_ON_THE_WAY)
        delivering = asyncio.create_task(self._deliver(link, towards, arrived))
        try:
            with contextlib.suppress(OSError, EOFError):
                while data := await self.read(link, towards):
                    if passed := await self.passing(link, towards, data):
                        await arrived.put((time.monotonic(), passed))
                await arrived.put((time.monotonic(), b""))
                await delivering
                return
            link.reset()
        finally:
            delivering.cancel()

    async def _deliver(self, link: Link, towards: Towards, arrived: asyncio.Queue[tuple[float, bytes]]) -> None:
        while True:
            arrival, data = await arrived.get()
            await self._travel(arrival, len(data))
            # A connection lost here ends by itself: nothing more comes from it.
            with contextlib.suppress(OSError):
                if data:
                    await link.send(towards, data)
                else:
                    link.half_close(towards)
                    return

    async def _travel(self, arrival: float, size: int) -> None:
        if not self._passing.is_set():
            self.kept_waiting.set()
            await self._passing.wait()
        late = arrival + self._delay_seconds - time.monotonic() if self._delay_seconds else 0.0
        seconds = max(late, 0.0) + (size / self._bytes_per_second if self._bytes_per_second else 0.0)
        if seconds:
            await asyncio.sleep(seconds)
            self.delayed += 1

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
