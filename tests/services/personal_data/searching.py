"""Searching everything an installation says and stores for words that must not be there, in any encoding."""

import asyncio
import subprocess
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import orjson
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from embedded.postgresql import _binaries
from tests.support.installations import Installation
from tests.support.kafka import published


class Needles:
    """Words in all their encodings; `hidden_in` names what is found."""

    def __init__(self, words: Iterable[str], raw: Iterable[bytes] = ()) -> None:
        self._spellings = {
            spelling: word for word in words for spelling in _spellings(word.encode(), word) if len(spelling) > 3
        }
        self._spellings |= {
            spelling: f"the bytes {piece.hex()}" for piece in raw for spelling in (piece, *_as_text(piece))
        }

    def hidden_in(self, places: Iterable[tuple[str, bytes]]) -> list[str]:
        """Return the words that were found, and where."""
        return sorted(
            {
                f"{word!r} in {place}"
                for place, content in places
                for spelling, word in self._spellings.items()
                if spelling in content or spelling in content.lower()
            }
        )


async def everything(installation: Installation, metrics_port: int | None = None) -> list[tuple[str, bytes]]:
    """Return everything published, logged, measured and stored, piece by piece, each with a name."""
    places: list[tuple[str, bytes]] = []
    for record in await published(installation):
        places.append((f"the value of a record of {record.topic}", record.value))
        places.append((f"the key of a record of {record.topic}", record.key or b""))
        places += [
            (f"the header {name} of a record of {record.topic}", name.encode() + b"=" + (value or b""))
            for name, value in record.headers
        ]
    places += [("a log line", line.encode()) for worker in installation.workers for line in worker.lines]
    if metrics_port is not None:
        places.append(("the metrics", await asyncio.to_thread(_metrics, metrics_port)))
    places.append(("what pg_dump writes", await asyncio.to_thread(_dump, installation.settings.database_url)))
    return places + await database_dump(installation.engine)


async def database_dump(engine: AsyncEngine) -> list[tuple[str, bytes]]:
    """Return every value of every table; text in UTF-8, bytes as they are."""
    async with engine.connect() as connection:
        tables = await connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        )
        return [
            (f"the column {name} of {table}", content)
            for table in tables.scalars().all()
            for row in (await connection.execute(text(f'TABLE "{table}"'))).mappings()
            for name, value in row.items()
            for content in _contents(value)
        ]


def _dump(database_url: str) -> bytes:
    """Return a dump: the data, and all that makes up the schema."""
    url = make_url(database_url)
    words = [
        str(_binaries() / "pg_dump"),
        "-h",
        str(url.host),
        "-p",
        str(url.port),
        "-U",
        str(url.username),
        str(url.database),
    ]
    done = subprocess.run(words, env={"PGPASSWORD": str(url.password or "")}, capture_output=True, check=True)
    assert b"COPY public.log" in done.stdout
    return done.stdout


def _metrics(port: int) -> bytes:
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        content: bytes = answer.read()
        return content


def _contents(value: Any) -> Iterator[bytes]:
    match value:
        case None:
            return
        case bytes() | memoryview():
            yield bytes(value)
        case str():
            yield value.encode()
        case list():
            for item in value:
                yield from _contents(item)
        case dict():
            yield orjson.dumps(value)
        case _:
            yield str(value).encode()


def _spellings(utf8: bytes, word: str) -> Iterator[bytes]:
    escaped = word.encode("ascii", "backslashreplace")
    for encoded in (utf8, word.lower().encode(), escaped, word.encode("latin-1"), quote(word).encode()):
        yield encoded
        yield from _as_text(encoded)
    yield word.encode("utf-16-le")
    yield word.encode("utf-16-be")


def _as_text(raw: bytes) -> Iterator[bytes]:
    """Return bytes in hexadecimal and in base64, at each offset within a group of three bytes."""
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for before, unsure in ((0, 0), (1, 2), (2, 3)):
        encoded = b64encode(bytes(before) + raw)
        unsure_end = {0: 0, 1: 3, 2: 2}[(before + len(raw)) % 3]
        yield encoded[unsure : len(encoded) - unsure_end]
