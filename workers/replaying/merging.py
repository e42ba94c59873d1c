"""The logs of several shards as one stream: by time, then shard, then position."""

from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from operator import attrgetter

from db.history import HistoryRow, Page

Reader = Callable[[int, int, int], Awaitable[Page]]
"""Returns rows of a shard after one position and up to another, and the position up to which it has read."""

Looked = Callable[[int, int, int], None]
"""Called with a shard, the position up to which it was read, and how many rows that yielded."""

_order = attrgetter("order")


async def merged(
    spans: Mapping[int, tuple[int, int]], read: Reader, looked: Looked
) -> AsyncGenerator[list[HistoryRow]]:
    """Yield the rows of all shards, in order, some at a time.

    `spans` gives for each shard the positions to read: after the first, up to the second. `looked` is called for each
    page. One page of each shard is held in memory. Relies on instants rising with positions within a shard.
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
        # In a shard with unread rows, these come after its last held row.
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
