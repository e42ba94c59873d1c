"""How much of the log a replay has finished: all that it has read, except rows that it has not written yet."""

from collections import Counter
from collections.abc import Iterable, Mapping


class HowFar:
    """Counts finished positions of each shard in `spans`; those up to `done` are finished from the start."""

    def __init__(self, spans: Mapping[int, tuple[int, int]], done: Mapping[int, int]) -> None:
        self._before = {shard: after for shard, (after, _) in spans.items()}
        self._read = {**self._before, **done}
        self._written = dict(self._read)
        self._waiting: Counter[int] = Counter()

    def read(self, shard: int, reached: int, rows: int) -> None:
        """Record the position up to which a shard was read, and how many more of its rows wait to be written."""
        self._read[shard] = reached
        self._waiting[shard] += rows

    def written(self, places: Iterable[tuple[int, int]]) -> None:
        """Record that rows were written, by shard and position."""
        for shard, position in places:
            self._waiting[shard] -= 1
            self._written[shard] = position

    @property
    def positions(self) -> int:
        """The number of finished positions; a shard with waiting rows counts up to its last written one."""
        return sum(
            (self._written if self._waiting[shard] else self._read)[shard] - before
            for shard, before in self._before.items()
        )
