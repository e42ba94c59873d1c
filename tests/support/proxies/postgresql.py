"""A proxy that knows PostgreSQL's messages, and can swallow the answer to a chosen COMMIT."""

import asyncio
import struct
from collections import deque
from dataclasses import dataclass, field

from tests.support.proxies.network import Link, Proxy, Towards

_LENGTH = struct.Struct(">i")
_START = struct.Struct(">ii")
_ENCRYPTION_REQUESTS = (80877103, 80877104)
_CANCEL_REQUEST = 80877102
_REFUSED = b"N"


@dataclass
class _Session:
    has_started: bool = False
    prepared: dict[bytes, str] = field(default_factory=dict)
    transaction: list[str] = field(default_factory=list)
    """The statements since BEGIN, which is the first of them; empty outside a transaction."""
    committing: tuple[str, asyncio.Event] | None = None


class PostgresqlProxy(Proxy):
    """A proxy in front of a server; it refuses encryption, so that it can read along."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._sessions: dict[Link, _Session] = {}
        self._swallows: deque[tuple[str, asyncio.Event]] = deque()

    def swallow_commit(self, having: str = "") -> asyncio.Event:
        """Swallow the answer to the next COMMIT that succeeds, and cut its client's connection.

        Only of a transaction with a statement that contains these words. The event is set when that has happened.
        """
        swallowed = asyncio.Event()
        self._swallows.append((having, swallowed))
        return swallowed

    def joined(self, link: Link) -> None:
        self._sessions[link] = _Session()

    def left(self, link: Link) -> None:
        del self._sessions[link]

    async def read(self, link: Link, towards: Towards) -> bytes:
        source = link.source(towards)
        try:
            if towards is Towards.SERVER and not self._sessions[link].has_started:
                return await self._read_start(link)
            kind = await source.readexactly(1)
        except asyncio.IncompleteReadError as end:
            if end.partial:
                raise
            return b""
        length = await source.readexactly(_LENGTH.size)
        return kind + length + await source.readexactly(_LENGTH.unpack(length)[0] - _LENGTH.size)

    async def passing(self, link: Link, towards: Towards, data: bytes) -> bytes:
        session = self._sessions[link]
        if towards is Towards.SERVER:
            self._follow(session, data)
        elif session.committing is not None:
            return self._answer(link, session, data)
        return data

    async def _read_start(self, link: Link) -> bytes:
        source = link.source(Towards.SERVER)
        while True:
            head = await source.readexactly(_START.size)
            length, code = _START.unpack(head)
            rest = await source.readexactly(length - _START.size)
            if code not in _ENCRYPTION_REQUESTS:
                self._sessions[link].has_started = code != _CANCEL_REQUEST
                return head + rest
            await link.send(Towards.CLIENT, _REFUSED)

    def _follow(self, session: _Session, message: bytes) -> None:
        """Record which statements are run: simple ones (Q), or bound ones (B) that were parsed before (P)."""
        body = message[1 + _LENGTH.size :]
        match message[:1]:
            case b"P":
                name, statement, *_ = body.split(b"\0", 2)
                session.prepared[name] = statement.decode(errors="replace")
            case b"B":
                self._runs(session, session.prepared.get(body.split(b"\0", 2)[1], ""))
            case b"Q":
                self._runs(session, body.rstrip(b"\0").decode(errors="replace"))
            case _:
                pass

    def _runs(self, session: _Session, statement: str) -> None:
        word = statement.lstrip().partition(" ")[0].rstrip(";").upper()
        if word in ("BEGIN", "START"):
            session.transaction = [statement]
        elif word in ("COMMIT", "ROLLBACK"):
            if word == "COMMIT":
                session.committing = self._swallow_of(session.transaction)
            session.transaction = []
        elif session.transaction:
            session.transaction.append(statement)

    def _swallow_of(self, transaction: list[str]) -> tuple[str, asyncio.Event] | None:
        for swallow in self._swallows:
            if any(swallow[0] in statement for statement in transaction):
                self._swallows.remove(swallow)
                return swallow
        return None

    def _answer(self, link: Link, session: _Session, message: bytes) -> bytes:
        assert session.committing is not None
        kind, content = message[:1], message[1 + _LENGTH.size :].rstrip(b"\0")
        if kind == b"C" and content == b"COMMIT":
            link.reset(Towards.CLIENT)
            session.committing[1].set()
            return b""
        if kind in (b"C", b"E"):
            # It was rolled back: another COMMIT's turn.
            self._swallows.appendleft(session.committing)
            session.committing = None
        return message
