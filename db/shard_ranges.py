"""Which shards organizations are divided among, and once were (docs/decisions/0031).

An organization has one shard at a time. Where the number of shards was changed it has had others, whose logs hold what
was said of it before: at lower positions, so that its events are in order by position alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from db.driver import Connection, Statement, fetch
from db.placing import shard_of


@dataclass(frozen=True, slots=True)
class ShardRange:
    """Shards that are, or were, in use at the same time: how many, from which on, and the position before their first.

    `ends` are the last positions of each once they are closed; before, they are None.
    """

    first: int
    shards: int
    begins_after: int = 0
    ends: tuple[int, ...] | None = None

    @property
    def numbers(self) -> range:
        """The numbers of these shards."""
        return range(self.first, self.first + self.shards)

    def shard_of(self, boundary: str) -> int:
        """Return the shard of an organization."""
        return shard_of(boundary, self.shards, self.first)

    def end_of(self, shard: int) -> int | None:
        """Return the last position of a shard, or None while it is in use."""
        return None if self.ends is None else self.ends[shard - self.first]


@dataclass(frozen=True, slots=True)
class ShardRanges:
    """All ranges, oldest first: the last one is in use."""

    every: Sequence[ShardRange]

    @property
    def total(self) -> int:
        """How many shards there are, closed ones too."""
        return self.every[-1].numbers.stop

    def of(self, shard: int) -> ShardRange:
        """Return the range of a shard. Raises LookupError."""
        for one in self.every:
            if shard in one.numbers:
                return one
        raise LookupError(f"there is no shard {shard}")

    def following(self, earlier: ShardRange) -> ShardRange:
        """Return the range that is in use since an earlier one is closed."""
        return self.every[self.every.index(earlier) + 1]

    def shards_of(self, boundary: str) -> tuple[int, ...]:
        """Return the shards that an organization has had, oldest first."""
        return tuple(one.shard_of(boundary) for one in self.every)

    def shard_at(self, boundary: str, position: int) -> int:
        """Return the shard in which an event of an organization stands at a position."""
        return next(one for one in reversed(self.every) if position > one.begins_after or not one.first).shard_of(
            boundary
        )

    def is_beyond(self, shard: int, position: int) -> bool:
        """Return whether a position lies after the end of a shard that is closed."""
        end = self.of(shard).end_of(shard)
        return end is not None and position > end


async def shard_ranges(connection: Connection) -> ShardRanges:
    """Return the ranges of the installation."""
    rows = await fetch(connection, _RANGES)
    stops = [*(row["first"] for row in rows[1:]), rows[-1]["total"]]
    return ShardRanges(
        [
            ShardRange(row["first"], stop - row["first"], row["begins_after"], row["ends"] and tuple(row["ends"]))
            for row, stop in zip(rows, stops, strict=True)
        ]
    )


_RANGES = Statement(
    """
    SELECT min(shards.shard) AS first, min(shards.begins_after) AS begins_after, min(installation.shards) AS total,
        CASE WHEN closed_at IS NOT NULL THEN array_agg(shards.position ORDER BY shards.shard) END AS ends
    FROM shards CROSS JOIN installation GROUP BY closed_at ORDER BY min(shards.shard)
    """
)
"""Those that are in use together are closed at the same instant."""
FIRST_KEPT = """
    SELECT max(CASE WHEN first > begins_after + 1 OR begins_after = 0 THEN first ELSE 1 END) AS position
    FROM (
        SELECT begins_after, coalesce(
            (SELECT position FROM log WHERE log.shard = shards.shard ORDER BY position LIMIT 1), shards.position + 1
        ) AS first
        FROM shards WHERE shard = ANY(CAST(:shards AS smallint[]))
    ) AS kept
"""
"""The SQL for the first position kept of `:shards`, one of each range: of a later one only what is lost counts."""
