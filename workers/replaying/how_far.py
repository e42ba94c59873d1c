"""How much of the log a replay is done with: what it has read, without what it has read ahead and not written yet."""

from collections import Counter
from collections.abc import Iterable, Mapping


class HowFar:
    """Counts positions of the log, of each shard of `spans` from its first on; those up to `done` are done with."""

    def __init__(self, spans: Mapping[int, tuple[int, int]], done: Mapping[int, int]) -> None:
        self._before = {shard: after for shard, (after, _) in spans.items()}
        self._read = {**self._before, **done}
        self._written = dict(self._read)
        self._waiting: Counter[int] = Counter()

    def read(self, shard: int, reached: int, rows: int) -> None:
        """Note up to where a shard was read, and how many rows of it wait to be written since."""
        self._read[shard] = reached
        self._waiting[shard] += rows

    def written(self, places: Iterable[tuple[int, int]]) -> None:
        """Note that rows were written, each by its shard and position."""
        for shard, position in places:
            self._waiting[shard] -= 1
            self._written[shard] = position

    @property
    def positions(self) -> int:
        """How many positions are done with: where rows of a shard wait, up to the last that was written of it."""
        return sum(
            (self._written if self._waiting[shard] else self._read)[shard] - before
            for shard, before in self._before.items()
        )
