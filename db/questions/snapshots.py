"""What every answer about an organization says of itself: what it knows, up to when that is final, and what time it is.

Ask it first, in the transaction of the question (`REPEATABLE READ READ ONLY`): both are then of one snapshot.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.closed import CLOSED_INSTANT
from db.driver import Connection, Statement, fetch


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a shard that an answer is of (docs/contract.md section 11).

    `position` is the last one of the shard's log; `closed` the instant up to which, itself included, the shard is
    closed, or None where that is not known, since no relay has run. `now` is the database's clock, and never before the
    instant of a change that the snapshot knows, even where the clock has stepped back.
    """

    shard: int
    position: int
    closed: datetime | None
    now: datetime

    @property
    def as_of(self) -> str:
        """The id of the last event that the snapshot knows; with position 0 where there is none."""
        return f"{self.shard}-{self.position}"

    def is_settled(self, until: datetime | None) -> bool:
        """Return whether who paid up to an instant, or until the end of a period, is final; never without an end."""
        return until is not None and self.closed is not None and until <= self.closed


async def snapshot_of(connection: Connection, shard: int) -> Snapshot:
    """Return the snapshot of an organization's shard (`db.placing.shard_of`); LookupError for an unknown one."""
    return (await snapshots_of(connection, [shard]))[shard]


async def snapshots_of(connection: Connection, shards: Iterable[int]) -> dict[int, Snapshot]:
    """Return the snapshots of several shards, in one statement."""
    rows = await fetch(connection, _SNAPSHOTS, shards=sorted(set(shards)))
    return {row["shard"]: snapshot_in(row) for row in rows}


def snapshot_in(row: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot that stands in a row, among other columns."""
    return Snapshot(row["shard"], row["position"], row["closed"], row["now"])


def closed_until(snapshots: Iterable[Snapshot]) -> datetime | None:
    """Return the earliest closed instant; None where there is none, or one is not known."""
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
