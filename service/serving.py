"""The HTTP server behind `serve`: its socket, start and shutdown."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from db.reading import create_reading_engine
from db.revisions import check
from service.app import make_app
from service.protocol import Protocol
from service.state import keys_of
from workers.runtime.believing import warn_if_trusted
from workers.runtime.roles import SERVE
from workers.runtime.settings import Settings
from workers.runtime.traces import spans_of

logger = structlog.get_logger()

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75
_UNREAD_SECONDS = 90
_LAST_SPANS_SECONDS = 1.0


class NotServed(Exception):
    """The server cannot be started as configured; the message says why, and what to do."""


def run(settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Run the server in this process, as `serve` does, on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, on_ready))


async def serve(settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Answer questions until SIGTERM or SIGINT; `on_ready` is called with the address of the server.

    Requests in progress are then finished, within `stop_seconds`. Raises AuthNotConfigured, MissingKey, NotServed,
    TracesNotInstalled, DatabaseRefused, and the errors of an unreachable database.
    """
    settings.insist_on_auth()
    _insist_on_sign_in(settings)
    warn_if_trusted(settings)
    keys_of(settings)  # a wrong key is refused before anything listens
    spans = spans_of(settings, (SERVE,))
    with _listening(settings) as (listener, where):
        await _check(settings)
        stopping = asyncio.Event()
        app = make_app(settings, stopping, trace=None if spans is None else spans.answered)
        server = _Server(_config(app, settings), stopping)
        server.on_ready = lambda: on_ready(where)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        await server.serve(sockets=[listener])
    if spans is not None:
        with suppress(TimeoutError):
            # The collector may be unreachable.
            async with asyncio.timeout(_LAST_SPANS_SECONDS):
                await spans.close()
    logger.info("stopped", installation=settings.installation)


def _insist_on_sign_in(settings: Settings) -> None:
    """Raise NotServed if the console's sign-in could not work as configured."""
    issuer = settings.console_issuer
    if issuer is None:
        return
    if settings.auth != "jwt" or issuer not in settings.issuers:
        raise NotServed(
            f"WHOPAYS_CONSOLE_ISSUER is {issuer}, whose tokens are not accepted: WHOPAYS_ISSUERS does not name it."
        )
    if settings.console_client_id is None:
        raise NotServed("WHOPAYS_CONSOLE_ISSUER needs WHOPAYS_CONSOLE_CLIENT_ID: the console's client id there.")


class _Server(uvicorn.Server):
    """uvicorn's server, without its signal handlers, and with `stopping` set before it shuts down."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self.on_ready: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """Shut down gracefully; when called again, immediately."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not handle signals: uvicorn would raise the signal again instead of exiting with a status."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # This ends the streams, which would otherwise hold the process until the limit.
        self._stopping.set()
        await super().shutdown(sockets)


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.stop_seconds + 0.5),
    )


@contextmanager
def _listening(settings: Settings) -> Iterator[tuple[socket.socket, str]]:
    """Yield a socket bound to the configured address and port, and its URL."""
    address, port = settings.serve_address, settings.serve_port
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _cannot_listen(address, port, error) from error
    if settings.auth == "trusted" and not all(_is_loopback(where) for *_, where in found):
        raise NotServed(
            f"With WHOPAYS_AUTH=trusted, anyone who reaches the service may ask, so it only listens on a loopback "
            f"address; {address} is not one.\nSet WHOPAYS_SERVE_ADDRESS to 127.0.0.1 or ::1."
        )
    family, kind, protocol, _, where = found[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Accepted connections inherit it: a client that has acknowledged nothing for this long is considered gone.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_SECONDS * 1000)
        try:
            listener.bind(where)
        except OSError as error:
            raise _cannot_listen(address, port, error) from error
        host, bound, *_ = listener.getsockname()
        yield listener, f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"


def _cannot_listen(address: str, port: int, error: OSError) -> NotServed:
    return NotServed(
        f"Questions cannot be answered at {address}, port {port}: {error.strerror or error}.\n"
        "Set WHOPAYS_SERVE_ADDRESS to an address of this host, and WHOPAYS_SERVE_PORT to a free port (0 for any)."
    )


def _is_loopback(where: tuple[Any, ...]) -> bool:
    return ip_address(where[0].partition("%")[0]).is_loopback


async def _check(settings: Settings) -> None:
    engine = create_reading_engine(
        settings.database_url, pool_size=1, statement_seconds=settings.serve_statement_seconds
    )
    try:
        await check(engine, settings.installation, settings.shards, settings.first_shard, only_reads=True)
    finally:
        await engine.dispose()
