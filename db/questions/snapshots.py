"""The metadata of every answer about an organization: its position in the log, its closed instant, and the time.

Query it first, in the transaction of the question (`REPEATABLE READ READ ONLY`): both are then of one snapshot.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.closed import CLOSED_INSTANT
from db.driver import Connection, Statement, fetch


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a shard that an answer is based on (docs/contract.md section 11).

    `position` is the last one of the shard's log; `closed` is its closed instant (inclusive), or None if no relay has
    run yet. `now` is the database's clock, but never before the instant of a change in the snapshot, even if the clock
    has stepped back.
    """

    shard: int
    position: int
    closed: datetime | None
    now: datetime

    @property
    def as_of(self) -> str:
        """The id of the last event in the snapshot; with position 0 if there is none."""
        return f"{self.shard}-{self.position}"

    def is_settled(self, until: datetime | None) -> bool:
        """Return whether the payers up to an instant, or the end of a period, are final; never without an end."""
        return until is not None and self.closed is not None and until <= self.closed


async def snapshot_of(connection: Connection, shard: int) -> Snapshot:
    """Return the snapshot of an organization's shard (`db.placing.shard_of`). Raises LookupError if there is none."""
    return (await snapshots_of(connection, [shard]))[shard]


async def snapshots_of(connection: Connection, shards: Iterable[int]) -> dict[int, Snapshot]:
    """Return the snapshots of several shards, in one statement."""
    rows = await fetch(connection, _SNAPSHOTS, shards=sorted(set(shards)))
    return {row["shard"]: snapshot_in(row) for row in rows}


def snapshot_in(row: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot from a row that has its columns among others."""
    return Snapshot(row["shard"], row["position"], row["closed"], row["now"])


def closed_until(snapshots: Iterable[Snapshot]) -> datetime | None:
    """Return the earliest closed instant; None if any is not known, or there are no snapshots."""
    closed = [snapshot.closed for snapshot in snapshots]
    known = [instant for instant in closed if instant is not None]
    return min(known) if known and len(known) == len(closed) else None


SNAPSHOTS = f"""
    WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS instant)
    SELECT shards.shard, shards.position, {CLOSED_INSTANT} AS closed,
        greatest(clock.instant, shards.last_instant) AS now
    FROM clock CROSS JOIN shards LEFT JOIN published USING (shard)
    WHERE shards.shard = ANY(CAST(:shards AS smallint[]))
"""
"""The SQL for the snapshots of `:shards`."""
_SNAPSHOTS = Statement(SNAPSHOTS)
