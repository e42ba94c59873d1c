"""Which rows are the last of their subject: found in one pass over the log, in bounded memory."""

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
Place = tuple[int, int]
"""A shard, and a position in it."""
Alive = Callable[[], Awaitable[None]]
"""Is called after each page that is read, so that whoever reads for long keeps its lease; it may raise to end that."""

_ENTRY = struct.Struct("<16sHQ")


class LastOfSubjects:
    """The positions, of one shard, of the last row of each subject: a bit for each position.

    Subjects are told apart by 128 bits of a hash.
    """

    def __init__(self, after: int, last: int) -> None:
        self._after = after
        self._last = last
        # Pages that are never written take no memory.
        self._bits = mmap.mmap(-1, (last - after) // 8 + 1)

    def add(self, position: int) -> None:
        """Note a position."""
        byte, bit = divmod(position - self._after - 1, 8)
        self._bits[byte] |= 1 << bit

    def next(self, after: int, count: int) -> tuple[list[int], int]:
        """Return up to so many positions that follow another, rising, and how far was looked."""
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
    """Read the subjects of shards once, each within its span, and return where the last row of each stands.

    A subject that has moved to another shard is last where the number of the shard is higher. At most some hundred
    thousand subjects are held; beyond that they are written to files, by hash, and each file is read in turn.
    """
    found = {shard: LastOfSubjects(*span) for shard, span in spans.items()}
    held: dict[bytes, Place] = {}
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


def _spill(held: dict[bytes, Place], files: list[IO[bytes]]) -> None:
    """Write the subjects to the files of their hashes, in order after what was written before, and hold none."""
    entries: list[list[bytes]] = [[] for _ in files]
    for subject, place in held.items():
        entries[subject[0] % len(files)].append(_ENTRY.pack(subject, *place))
    for file, written in zip(files, entries, strict=True):
        file.write(b"".join(written))
    held.clear()


def _last_of(file: IO[bytes]) -> dict[bytes, Place]:
    file.seek(0)
    last: dict[bytes, Place] = {}
    while chunk := file.read(_ENTRY.size * 4096):
        last.update({subject: (shard, position) for subject, shard, position in _ENTRY.iter_unpack(chunk)})
    return last
