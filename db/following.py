"""Follows the events of organizations as they are committed: reads what was added to the log since given positions.

Each function runs one statement directly on the driver's connection, outside any transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from db.shard_ranges import FIRST_KEPT
from schemas.replays import type_in


class FollowedEvent(NamedTuple):
    """An event of an organization: its place, its `type` in full, and its finished bytes."""

    position: int
    type: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Followed:
    """Events after a position, and the position up to which they are complete."""

    events: list[FollowedEvent]
    reached: int


async def events_since(
    connection: Any, since: Mapping[str, tuple[int, int]], limit: int, byte_limit: int
) -> dict[str, Followed]:
    """Return new events by organization; `since` gives each organization's shard and the position to read after.

    Each organization gets at most `limit` events, and no more once their values have `byte_limit` bytes.
    """
    rows = await connection.fetch(
        _SINCE,
        list(since),
        [shard for shard, _ in since.values()],
        [position for _, position in since.values()],
        limit,
        byte_limit,
    )
    found = {}
    events: dict[str, list[FollowedEvent]] = {}
    for organization, head, position, value, is_last in rows:
        of_this = events.setdefault(organization, [])
        if value is not None:
            of_this.append(FollowedEvent(position, type_in(value), value))
        found[organization] = Followed(of_this, head if is_last else position)
    return found


async def first_kept_position(connection: Any, shards: Sequence[int]) -> int:
    """Return the first position kept for an organization that had these shards; or the one after the head."""
    return int(await connection.fetchval(FIRST_KEPT.replace(":shards", "$1"), shards))


_SINCE = """
    SELECT wanted.organization, shards.position AS head, found.position, found.value,
        coalesce(found.is_last, true) AS is_last
    FROM unnest(CAST($1 AS text[]), CAST($2 AS smallint[]), CAST($3 AS bigint[]))
        AS wanted(organization, shard, position)
    JOIN shards ON shards.shard = wanted.shard
    LEFT JOIN LATERAL (
        SELECT position, value, places < $4 AND next_place IS NULL AS is_last
        FROM (
            SELECT position, value, count(*) OVER () AS places, lead(position) OVER (ORDER BY position) AS next_place,
                sum(octet_length(value)) OVER (ORDER BY position) - octet_length(value) AS bytes_before
            FROM (
                SELECT log.position, log.value FROM log
                WHERE log.boundary = wanted.organization AND log.position > wanted.position
                ORDER BY log.position LIMIT $4
            ) AS next
        ) AS numbered
        WHERE bytes_before < $5
    ) AS found ON true
    ORDER BY wanted.organization, found.position
"""
