"""Reads the log from any position: ranges of a shard or an organization. Also finds positions by instant.

Statements are short and read-only, so neither workers nor the relay wait for them. All readers of history go through
`rows_after`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from db.driver import Connection, Statement, fetch

_FURTHEST = 20_000
"""How many positions of a shard one statement searches for an organization's rows."""


class HistoryDamaged(Exception):
    """The log has a hole in the range that is read."""


class HistoryRow(NamedTuple):
    """An event of the log: its place, its `time`, and its finished bytes."""

    shard: int
    position: int
    recorded_at: datetime
    topic: str
    key: bytes | None
    value: bytes

    @property
    def event_id(self) -> str:
        """The event's `id`."""
        return f"{self.shard}-{self.position}"

    @property
    def order(self) -> tuple[datetime, int, int]:
        """The sort key of events across shards: time, then shard, then position."""
        return self.recorded_at, self.shard, self.position


@dataclass(frozen=True, slots=True)
class Keys:
    """Which rows of a log are wanted: by topic, and optionally of one organization or one record key."""

    topics: tuple[str, ...]
    boundary: str | None = None
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in order, and the position up to which the log was read for them."""

    rows: list[HistoryRow]
    reached: int


async def rows_after(
    connection: Connection,
    shard: int,
    position: int,
    until: int,
    keys: Keys,
    limit: int,
    byte_limit: int = 1024 * 1024,
) -> Page:
    """Return the wanted rows of a shard past a position and up to `until`, which must be in the log.

    At most `limit` rows are examined, and no more are returned once their values have `byte_limit` bytes. For an
    organization, only its own rows are examined. Raises HistoryDamaged.
    """
    is_whole, until = keys.boundary is None, _last_of_range(position, until, keys, limit)
    found = await fetch(
        connection,
        _ROWS_OF_SHARD if is_whole else _ROWS_OF_BOUNDARY,
        **_range(shard, position, until, keys, limit),
        byte_limit=byte_limit,
    )
    if is_whole:
        looked_at, last = (found[0]["looked_at"], found[0]["last"]) if found else (0, until)
        if last - position != looked_at:
            raise HistoryDamaged(f"the log of shard {shard} has a hole between positions {position} and {last}")
    rows = [HistoryRow(shard, *tuple(row.values())[:5]) for row in found if row["value"] is not None]
    return Page(rows, found[-1]["position"] if found else until)


async def rows_at(connection: Connection, shard: int, positions: Sequence[int]) -> list[HistoryRow]:
    """Return the rows of a shard at ascending positions. Raises HistoryDamaged if one is missing."""
    found = await fetch(connection, _ROWS_AT, shard=shard, positions=list(positions))
    if len(found) != len(positions):
        raise HistoryDamaged(
            f"of {len(positions)} rows of shard {shard} from {positions[0]} on, {len(found)} are there"
        )
    return [HistoryRow(*row.values()) for row in found]


async def subjects_after(
    connection: Connection, shard: int, position: int, until: int, keys: Keys, limit: int
) -> tuple[list[tuple[int, str, bytes]], int]:
    """Return position, topic and record key of the rows that `rows_after` finds, and the position searched up to.

    On topics that have subjects, the key is the subject.
    """
    until = _last_of_range(position, until, keys, limit)
    statement = _SUBJECTS_OF_SHARD if keys.boundary is None else _SUBJECTS_OF_BOUNDARY
    found = await fetch(connection, statement, **_range(shard, position, until, keys, limit))
    reached = found[-1]["position"] if found else until
    return [(row["position"], row["topic"], row["key"]) for row in found if row["key"] is not None], reached


async def first_kept(connection: Connection) -> dict[int, tuple[int, datetime]]:
    """Return each shard's first position in the table, and the instant of that row.

    For a shard without rows, that is the position after its head, and the last instant it assigned.
    """
    return {row["shard"]: (row["position"], row["instant"]) for row in await fetch(connection, _FIRST_KEPT)}


async def last_before(
    connection: Connection, instant: datetime, within: Mapping[int, tuple[int, int]]
) -> dict[int, int]:
    """Return the last position of each shard whose row is earlier than an instant, by bisection.

    `within` gives, for each shard, the position before the first one to search, and the last one.
    """
    low = {shard: bounds[0] for shard, bounds in within.items()}
    high = {shard: max(bounds) for shard, bounds in within.items()}
    while middles := {shard: (low[shard] + high[shard] + 1) // 2 for shard in within if low[shard] < high[shard]}:
        rows = await fetch(connection, _INSTANTS, shards=list(middles), positions=list(middles.values()))
        if len(rows) != len(middles):
            raise HistoryDamaged(f"the log has holes: of {len(middles)} rows that must be there {len(rows)} are")
        for row in rows:
            shard, position = row["shard"], row["position"]
            if row["recorded_at"] < instant:
                low[shard] = position
            else:
                high[shard] = position - 1
    return low


async def is_known_organization(connection: Connection, organization: str) -> bool:
    """Return whether the tables or the log have anything about an organization."""
    return bool((await fetch(connection, _KNOWN_ORGANIZATION, organization=organization))[0]["is_known"])


async def is_known_project(connection: Connection, organization: str, project: str) -> bool:
    """Return whether a project was ever reported."""
    return bool(await fetch(connection, _KNOWN_PROJECT, organization=organization, project=project))


async def is_known_account(connection: Connection, organization: str, account: str) -> bool:
    """Return whether an account was ever created."""
    return bool(await fetch(connection, _KNOWN_ACCOUNT, organization=organization, account=account))


def _last_of_range(position: int, until: int, keys: Keys, limit: int) -> int:
    """Return the last position that one statement searches: near enough to keep it short, whatever its plan."""
    return min(until, position + (limit if keys.boundary is None else _FURTHEST))


def _range(shard: int, position: int, until: int, keys: Keys, limit: int) -> dict[str, Any]:
    of_organization = {} if keys.boundary is None else {"boundary": keys.boundary}
    return {
        "shard": shard,
        "position": position,
        "until": until,
        "topics": list(keys.topics),
        "key": keys.key,
        "row_limit": limit,
        **of_organization,
    }


_RANGES = {
    "shard": "log.shard = :shard AND log.position > :position AND log.position <= :until",
    # Without the shard, which the organization implies: naming it would steer the planner to the primary key.
    "boundary": "log.boundary = :boundary AND log.position > :position AND log.position <= :until",
}
_IS_WANTED = "topic = ANY(CAST(:topics AS text[])) AND (CAST(:key AS bytea) IS NULL OR key = :key)"
_ROWS_OF_SHARD, _ROWS_OF_BOUNDARY = (
    Statement(
        f"""
        SELECT position, recorded_at, topic, key, value, looked_at, last FROM (
            SELECT *, count(*) OVER () AS looked_at, max(position) OVER () AS last,
                coalesce(sum(octet_length(value)) OVER (ORDER BY position), 0)
                    - coalesce(octet_length(value), 0) AS bytes_before
            FROM (
                SELECT position, recorded_at, topic, key, CASE WHEN {_IS_WANTED} THEN value END AS value
                FROM log WHERE {range_} ORDER BY log.position LIMIT :row_limit
            ) AS next
        ) AS looked
        WHERE bytes_before < :byte_limit AND (value IS NOT NULL OR position = last)
        ORDER BY position
        """
    )
    for range_ in _RANGES.values()
)
_SUBJECTS_OF_SHARD, _SUBJECTS_OF_BOUNDARY = (
    Statement(
        f"""
        SELECT position, topic, key FROM (
            SELECT *, max(position) OVER () AS last FROM (
                SELECT position, topic, CASE WHEN {_IS_WANTED} THEN key END AS key
                FROM log WHERE {range_} ORDER BY log.position LIMIT :row_limit
            ) AS next
        ) AS looked
        WHERE key IS NOT NULL OR position = last
        ORDER BY position
        """
    )
    for range_ in _RANGES.values()
)
_ROWS_AT = Statement(
    """
    SELECT log.shard, log.position, log.recorded_at, log.topic, log.key, log.value
    FROM unnest(CAST(:positions AS bigint[])) AS wanted(position)
    JOIN log ON log.shard = CAST(:shard AS smallint) AND log.position = wanted.position
    ORDER BY log.position
    """
)
_FIRST_KEPT = Statement(
    """
    SELECT shards.shard, coalesce(first.position, shards.position + 1) AS position,
        coalesce(first.recorded_at, shards.last_instant) AS instant
    FROM shards LEFT JOIN LATERAL (
        SELECT log.position, log.recorded_at FROM log WHERE log.shard = shards.shard ORDER BY log.position LIMIT 1
    ) AS first ON true
    """
)
_INSTANTS = Statement(
    """
    SELECT log.shard, log.position, log.recorded_at
    FROM unnest(CAST(:shards AS smallint[]), CAST(:positions AS bigint[])) AS wanted(shard, position)
    JOIN log ON log.shard = wanted.shard AND log.position = wanted.position
    """
)
_KNOWN_ORGANIZATION = Statement(
    """
    SELECT EXISTS (SELECT FROM log WHERE boundary = :organization)
        OR EXISTS (SELECT FROM projects WHERE organization = :organization)
        OR EXISTS (SELECT FROM accounts WHERE organization = :organization) AS is_known
    """
)
_KNOWN_PROJECT = Statement("SELECT FROM projects WHERE organization = :organization AND project = :project")
_KNOWN_ACCOUNT = Statement("SELECT FROM accounts WHERE organization = :organization AND account = :account")
