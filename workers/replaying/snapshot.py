"""Finds the last row of each subject in one pass over the log, in bounded memory."""

import hashlib
import mmap
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from tempfile import TemporaryFile
from typing import IO

from db.archive.reading import History
from db.history import Keys

_AT_ONCE = 4_000
_HELD_SUBJECTS = 100_000
_BUCKETS = 64
LogPosition = tuple[int, int]
"""A shard, and a position in it."""
Alive = Callable[[], Awaitable[None]]
"""Called after each page, so that a long read keeps its lease; may raise to end the read."""

_ENTRY = struct.Struct("<16sHQ")


class LastOfSubjects:
    """The positions of each subject's last row in one shard, as a bitmap of positions.

    Subjects are identified by a 128-bit hash.
    """

    def __init__(self, after: int, last: int) -> None:
        self._after = after
        self._last = last
        # Pages that are never written take up no memory.
        self._bits = mmap.mmap(-1, (last - after) // 8 + 1)

    def add(self, position: int) -> None:
        """Add a position."""
        byte, bit = divmod(position - self._after - 1, 8)
        self._bits[byte] |= 1 << bit

    def next(self, after: int, count: int) -> tuple[list[int], int]:
        """Return up to `count` positions after `after`, ascending, and the position up to which the search got."""
        found: list[int] = []
        byte, bit = divmod(after - self._after, 8)
        for number in range(byte, len(self._bits)):
            bits = self._bits[number]
            if number == byte:
                bits &= 0xFF << bit
            while bits:
                low = bits & -bits
                found.append(self._after + 1 + 8 * number + low.bit_length() - 1)
                if len(found) == count:
                    return found, found[-1]
                bits ^= low
        return found, self._last

    def close(self) -> None:
        """Free the memory."""
        self._bits.close()


async def find_last(
    history: History, spans: Mapping[int, tuple[int, int]], keys: Keys, alive: Alive
) -> dict[int, LastOfSubjects]:
    """Read the subjects of all shards once, within their spans, and return the positions of each one's last row.

    The last row of a subject that moved between shards is in the higher-numbered one. About a hundred thousand
    subjects are held in memory; beyond that they spill to files, by hash, and each file is read in turn.
    """
    found = {shard: LastOfSubjects(*span) for shard, span in spans.items()}
    held: dict[bytes, LogPosition] = {}
    spilled: list[IO[bytes]] = []
    try:
        for shard in sorted(spans):
            async for position, subject in _subjects(history, shard, spans[shard], keys, alive):
                held[subject] = shard, position
                if len(held) >= _HELD_SUBJECTS:
                    spilled = spilled or [TemporaryFile() for _ in range(_BUCKETS)]  # noqa: SIM115 (closed below)
                    _spill(held, spilled)
        if spilled:
            _spill(held, spilled)
        for last in map(_last_of, spilled) if spilled else [held]:
            for shard, position in last.values():
                found[shard].add(position)
    except BaseException:
        for one in found.values():
            one.close()
        raise
    finally:
        for file in spilled:
            file.close()
    return found


async def _subjects(
    history: History, shard: int, span: tuple[int, int], keys: Keys, alive: Alive
) -> AsyncIterator[tuple[int, bytes]]:
    position, until = span
    while position < until:
        rows, reached = await history.subjects_after(shard, position, until, keys, _AT_ONCE)
        await alive()
        for at, topic, key in rows:
            yield at, hashlib.blake2b(key, digest_size=16, key=topic.encode()).digest()
        position = reached


def _spill(held: dict[bytes, LogPosition], files: list[IO[bytes]]) -> None:
    """Append the held subjects to the files of their hashes, in order, and hold none."""
    entries: list[list[bytes]] = [[] for _ in files]
    for subject, place in held.items():
        entries[subject[0] % len(files)].append(_ENTRY.pack(subject, *place))
    for file, written in zip(files, entries, strict=True):
        file.write(b"".join(written))
    held.clear()


def _last_of(file: IO[bytes]) -> dict[bytes, LogPosition]:
    file.seek(0)
    last: dict[bytes, LogPosition] = {}
    while chunk := file.read(_ENTRY.size * 4096):
        last.update({subject: (shard, position) for subject, shard, position in _ENTRY.iter_unpack(chunk)})
    return last
