"""Changes an installation's number of shards while no process works on it (docs/decisions/0031).

In one transaction the shards in use are closed and new ones follow them: events keep their ids, and the existing log is
not touched. New shards begin above all positions and instants of earlier ones, so that an organization's events stay in
order by position, and a project's instants keep rising. A constraint rejects any later write to a closed shard.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.driver import fetch
from db.leases import insist_on_no_lease
from db.log import ensure_partitions
from db.refusal import DatabaseRefused, StillAtWork
from db.roles import act_as_owner
from db.safety import check_takes_writes
from db.shard_ranges import ShardRange, shard_ranges

_HIGHEST = 32_000
_LOCK_TIMEOUT = "5s"
_OLDEST_CODE = "0019"
"""Earlier code would write to closed shards, or to the wrong ones."""


@dataclass(frozen=True, slots=True)
class Resharded:
    """The shards in use before and after; they are equal if there was nothing to do."""

    before: ShardRange
    now: ShardRange

    @property
    def is_new(self) -> bool:
        """Whether anything was changed."""
        return self.before != self.now


async def reshard(engine: AsyncEngine, installation: str, shards: int, published: Mapping[int, int]) -> Resharded:
    """Close the shards in use and begin `shards` new ones; do nothing if the number is the same already.

    `published` are the positions up to which each shard is published according to Kafka. Raises DatabaseRefused.
    """
    async with engine.begin() as connection:
        await check_takes_writes(connection)
        await act_as_owner(connection, installation)
        for limit in ("transaction_timeout", "statement_timeout"):
            await connection.execute(text(f"SET LOCAL {limit} = 0"))
        await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        before = (await shard_ranges(connection)).every[-1]
        if before.shards == shards:
            return Resharded(before, before)
        first = before.numbers.stop
        if first + shards > _HIGHEST:
            raise DatabaseRefused(f"{shards} more shards would be too many: {first} were used, {_HIGHEST} can be.")
        heads = await _locked(connection)
        await insist_on_no_lease(connection)
        if left := {shard: head for shard, head in heads.items() if head > published.get(shard, 0)}:
            shard, head = min(left.items())
            raise StillAtWork(
                f"Not everything is published, in {len(left)} of {len(heads)} shards: the log of shard {shard} ends at "
                f"{head}, and Kafka says {published.get(shard, 0)}. Start a relay (whopays run --only relay), wait "
                "until whopays status says that every event is published, stop it, and try again."
            )
        await fetch(connection, _CLOSE)
        await fetch(connection, _BEGIN, first=first, shards=shards, begins_after=max(heads.values()))
        await fetch(connection, _PUBLISHED, first=first)
        await fetch(connection, _NOTE, first=first, shards=shards, oldest_code=_OLDEST_CODE)
        await ensure_partitions(connection)
        now = (await shard_ranges(connection)).every[-1]
    return Resharded(before, now)


async def _locked(connection: AsyncConnection) -> dict[int, int]:
    """Lock all shards in use, and return their last positions. Raises StillAtWork if another transaction holds one."""
    try:
        rows = await fetch(connection, _LOCK)
    except asyncpg.LockNotAvailableError:
        raise StillAtWork("A transaction holds a shard: stop every process of whopays, and try again.") from None
    return {row["shard"]: row["position"] for row in rows}


_LOCK = text("SELECT shard, position FROM shards WHERE closed_at IS NULL ORDER BY shard FOR UPDATE")
_CLOSE = text(
    """
    WITH instant AS MATERIALIZED (
        SELECT greatest(clock_timestamp(), max(last_instant)) AS instant FROM shards
    )
    UPDATE shards SET closed_at = instant, last_instant = instant FROM instant WHERE closed_at IS NULL
    """
)
_BEGIN = text(
    """
    INSERT INTO shards (shard, position, begins_after, last_instant, written_at)
    SELECT number, CAST(:begins_after AS bigint), CAST(:begins_after AS bigint), latest.instant, latest.instant
    FROM generate_series(CAST(:first AS integer), CAST(:first AS integer) + CAST(:shards AS integer) - 1) AS number
    CROSS JOIN (SELECT max(last_instant) AS instant FROM shards) AS latest
    """
)
_PUBLISHED = text(
    """
    INSERT INTO published (shard, position) SELECT shard, position FROM shards
    WHERE shard >= CAST(:first AS smallint)
    """
)
_NOTE = text(
    """
    UPDATE installation SET first_shard = CAST(:first AS smallint),
        shards = CAST(:first AS integer) + CAST(:shards AS integer),
        oldest_code = greatest(oldest_code, CAST(:oldest_code AS text))
    """
)
