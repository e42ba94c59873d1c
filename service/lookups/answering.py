"""Answers a lookup, a document or any number of lines, from one snapshot."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any

import orjson
from starlette.types import Receive, Send

from db.questions.lookups import look_up
from db.questions.snapshots import closed_until, snapshots_of
from schemas.instants import format_instant
from service.answers import Answer
from service.bodies import parts_of_body
from service.lines import line, send_lines
from service.lookups.reading import LookupReader
from service.lookups.spool import Spool
from service.lookups.waits import AT_LEAST
from service.problems import wrong_body
from service.questions import Asked
from service.snapshots import reading
from service.waits import CLOSED_AT_LEAST, WAIT_SECONDS, not_yet_known

LARGEST_DOCUMENT = 48 * 1024 * 1024
"""Large enough for every valid document, even of 253-character names with every character escaped."""
LARGEST_LINES = 4 * 1024 * 1024 * 1024
"""More than can be answered while one snapshot is held."""

_IN_MEMORY = 1024 * 1024
_WORTH_A_THREAD = 128 * 1024


async def answer_document(asked: Asked) -> Answer:
    """Answer a document of questions."""
    asks = LookupReader(asked.state.shard_of, asked.asker.asker)
    with SpooledTemporaryFile(_IN_MEMORY) as body:
        async for part in parts_of_body(asked, asked.receive, LARGEST_DOCUMENT):
            body.write(part)
        size = body.tell()
        body.seek(0)
        heavy = asked.state.heavy.one() if size > _WORTH_A_THREAD else nullcontext()
        async with heavy:
            if size > _WORTH_A_THREAD:
                wanted = await asyncio.to_thread(lambda: asks.document(body.read()))
            else:
                wanted = asks.document(body.read())
            await _wait(asked, set(wanted.shards))
            async with _snapshot(asked, set(wanted.shards)) as (connection, found):
                lines = await look_up(connection, wanted, found.now, found.closed, ",")
    return Answer(b'{"closedUntil":%b,"answers":[%b]}' % (orjson.dumps(found.closed_until), lines), has_tag=False)


async def answer_lines(asked: Asked, receive: Receive, send: Send) -> None:
    """Answer lines of questions. All are read before the first is answered, so a client may send first, then read."""
    asks = LookupReader(asked.state.shard_of, asked.asker.asker)
    with Spool() as spool:
        await spool.fill(parts_of_body(asked, receive, LARGEST_LINES), asks)
        asks.judge()
        if asks.fault_count:
            problem = wrong_body(asks.faults)
            document = problem.document() | {"violationCount": asks.fault_count}
            await send_lines(asked, _only(line({"problem": document})), receive, send)
            return
        await _wait(asked, spool.shards)
        async with asked.state.heavy.one(), _snapshot(asked, spool.shards) as (connection, found):
            await send_lines(asked, _answers(connection, spool, found, asks.count), receive, send)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a snapshot knows of shards: its clock, and the closed instants of all shards by number, as text."""

    now: str
    closed: list[str | None]
    closed_until: str | None


async def _answers(connection: Any, spool: Spool, found: _Found, count: int) -> AsyncGenerator[bytes]:
    for wanted in spool.read():
        yield await look_up(connection, wanted, found.now, found.closed, "\n") + b"\n"
    yield line({"closedUntil": found.closed_until, "answers": count})


async def _only(last: bytes) -> AsyncGenerator[bytes]:
    yield last


async def _wait(asked: Asked, shards: set[int]) -> None:
    """Wait a limited time for what the answers must know; their snapshot is checked afterwards."""
    positions: Mapping[int, int] = asked.values.get(AT_LEAST.name, {})
    closed: datetime | None = asked.values.get(CLOSED_AT_LEAST.name)
    closes = {} if closed is None else dict.fromkeys(shards, closed)
    await asked.state.waking.until_known(positions, closes, WAIT_SECONDS)


@asynccontextmanager
async def _snapshot(asked: Asked, shards: set[int]) -> AsyncIterator[tuple[Any, _Found]]:
    """Yield a connection in a transaction that is one snapshot, and what it knows of shards."""
    positions: Mapping[int, int] = asked.values.get(AT_LEAST.name, {})
    least: datetime | None = asked.values.get(CLOSED_AT_LEAST.name)
    async with reading(asked.state) as connection:
        # Shard 0 in any case, for the clock.
        found = await snapshots_of(connection, {*shards, *positions, 0})
        closed = {shard: found[shard].closed for shard in shards}
        # The wait may have seen another server than the one queried here.
        if any(found[shard].position < position for shard, position in positions.items()) or (
            least is not None and any(instant is None or instant < least for instant in closed.values())
        ):
            raise not_yet_known()
        instants = [closed.get(shard) for shard in range(asked.state.settings.shard_numbers.stop)]
        closed_instant = closed_until(found[shard] for shard in shards)
        yield (
            connection,
            _Found(
                now=format_instant(max(one.now for one in found.values())),
                closed=[None if instant is None else format_instant(instant) for instant in instants],
                closed_until=None if closed_instant is None else format_instant(closed_instant),
            ),
        )
