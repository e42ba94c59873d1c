"""Reading for a replay: the selected rows of the log, in the order in which they are replayed."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing, closing

from db.archive.reading import History
from db.history import HistoryRow, Page
from db.replays import KeptReplay
from workers.replaying.merging import Looked, Reader, merged
from workers.replaying.snapshot import Alive, LastOfSubjects, find_last
from workers.replaying.wanted import keys_of, wants

_ROWS_AT_ONCE = 16_000
_FEWEST_OF_SHARD, _MOST_OF_SHARD = 300, 4_000
_BYTES_AT_ONCE = 16 * 1024 * 1024
_SNAPSHOT_ROWS = 500


async def _without_lease() -> None:
    """Do nothing: a mere reader has no lease to keep."""


async def selected(
    history: History, replay: KeptReplay, done: Mapping[int, int], looked: Looked, alive: Alive = _without_lease
) -> AsyncGenerator[list[HistoryRow]]:
    """Yield the selected rows of a replay, in order, some at a time, skipping those up to the positions in `done`.

    Archived rows are read from the archive, including those that move there meanwhile.
    """
    spans = {shard: (max(after, done.get(shard, after)), last) for shard, (after, last) in replay.spans.items()}
    with ExitStack() as opened:
        read = _whole(history, replay)
        if replay.selection.latest:
            # Read from the start, not from `done`: a subject's last row is known only after all rows.
            found = await find_last(history, replay.spans, keys_of(replay.selection), alive)
            for one in found.values():
                opened.enter_context(closing(one))
            read = _of_snapshot(history, found)
        async with aclosing(merged(spans, _wanted(replay, read, alive), looked)) as rows:
            async for some in rows:
                yield some


def _wanted(replay: KeptReplay, read: Reader, alive: Alive) -> Reader:
    is_wanted = wants(replay.selection)

    async def read_wanted(shard: int, after: int, until: int) -> Page:
        page = await read(shard, after, until)
        # Here, because nothing may be selected, and so yielded, for a long time.
        await alive()
        return Page([row for row in page.rows if is_wanted(row)], page.reached)

    return read_wanted


def _whole(history: History, replay: KeptReplay) -> Reader:
    keys, shards = keys_of(replay.selection), max(1, len(replay.spans))
    limit = min(_MOST_OF_SHARD, max(_FEWEST_OF_SHARD, _ROWS_AT_ONCE // shards))

    async def read(shard: int, after: int, until: int) -> Page:
        return await history.rows_after(shard, after, until, keys, limit, _BYTES_AT_ONCE // shards)

    return read


def _of_snapshot(history: History, found: Mapping[int, LastOfSubjects]) -> Reader:
    async def read(shard: int, after: int, until: int) -> Page:
        positions, reached = found[shard].next(after, _SNAPSHOT_ROWS)
        return Page(await history.rows_at(shard, positions) if positions else [], min(reached, until))

    return read
