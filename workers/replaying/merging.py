"""The logs of several shards as one stream: by time, then shard, then position."""

from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from operator import attrgetter

from db.history import HistoryRow, Page

Reader = Callable[[int, int, int], Awaitable[Page]]
"""Returns rows of a shard past a position and up to another, and how far it has looked."""

Looked = Callable[[int, int, int], None]
"""Is told of a shard up to where it was read, and how many rows came of that."""

_order = attrgetter("order")


async def merged(
    spans: Mapping[int, tuple[int, int]], read: Reader, looked: Looked
) -> AsyncGenerator[list[HistoryRow]]:
    """Yield the rows of all shards, in order, some at a time.

    `spans` are, of each shard, the position after which and the last one. `looked` is told of each page.
    A page of each shard is held; within a shard instants rise with positions.
    """
    reached = {shard: after for shard, (after, _) in spans.items()}
    held: dict[int, deque[HistoryRow]] = {shard: deque() for shard in spans}
    while True:
        for shard, rows in held.items():
            while not rows and reached[shard] < spans[shard][1]:
                page = await read(shard, reached[shard], spans[shard][1])
                looked(shard, page.reached, len(page.rows))
                reached[shard] = page.reached
                rows.extend(page.rows)
        # What comes next of a shard that was not read to its end comes after the last row that is held of it.
        bounds = [rows[-1].order for shard, rows in held.items() if rows and reached[shard] < spans[shard][1]]
        bound = min(bounds, default=None)
        ready: list[HistoryRow] = []
        for rows in held.values():
            count = len(rows) if bound is None else bisect_right(rows, bound, key=_order)
            ready += [rows.popleft() for _ in range(count)]
        if ready:
            ready.sort(key=_order)
            yield ready
        if bound is None:
            return
