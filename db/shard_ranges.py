"""The ranges of shards that organizations are, or were, divided among (docs/decisions/0031).

An organization is in one shard at a time. After the number of shards was changed, its earlier events are in the logs of
its former shards, at lower positions: its events are in order by position alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from db.driver import Connection, Statement, fetch
from db.placing import shard_of


@dataclass(frozen=True, slots=True)
class ShardRange:
    """Shards that are, or were, in use together: the first, their number, and the position before their first.

    `ends` are their last positions once they are closed; None until then.
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
    """All ranges, oldest first; the last one is in use."""

    every: Sequence[ShardRange]

    @property
    def total(self) -> int:
        """The number of shards, including closed ones."""
        return self.every[-1].numbers.stop

    def of(self, shard: int) -> ShardRange:
        """Return the range of a shard. Raises LookupError."""
        for one in self.every:
            if shard in one.numbers:
                return one
        raise LookupError(f"there is no shard {shard}")

    def following(self, earlier: ShardRange) -> ShardRange:
        """Return the range that replaced an earlier one."""
        return self.every[self.every.index(earlier) + 1]

    def shards_of(self, boundary: str) -> tuple[int, ...]:
        """Return the shards that an organization has had, oldest first."""
        return tuple(one.shard_of(boundary) for one in self.every)

    def shard_at(self, boundary: str, position: int) -> int:
        """Return the shard that holds an organization's event at a position."""
        return next(one for one in reversed(self.every) if position > one.begins_after or not one.first).shard_of(
            boundary
        )

    def is_beyond(self, shard: int, position: int) -> bool:
        """Return whether a position lies after the end of a closed shard."""
        end = self.of(shard).end_of(shard)
        return end is not None and position > end


async def shard_ranges(connection: Connection) -> ShardRanges:
    """Return all shard ranges of the installation."""
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
"""Shards that were in use together have the same `closed_at`."""
FIRST_KEPT = """
    SELECT max(CASE WHEN first > begins_after + 1 OR begins_after = 0 THEN first ELSE 1 END) AS position
    FROM (
        SELECT begins_after, coalesce(
            (SELECT position FROM log WHERE log.shard = shards.shard ORDER BY position LIMIT 1), shards.position + 1
        ) AS first
        FROM shards WHERE shard = ANY(CAST(:shards AS smallint[]))
    ) AS kept
"""
"""SQL for the first position kept of `:shards`, one of each range; a later shard counts only if rows are missing."""
