"""What an installation is doing, according to its database: progress, the relays' leases, and open fan-outs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals at an instant of the database's clock; two of them give a rate.

    `decided` counts the offsets of each input topic, by its name with prefix; `events` and `published` count log rows.
    """

    at: datetime
    decided: Mapping[str, int]
    events: int
    published: int


@dataclass(frozen=True, slots=True)
class Slot:
    """The relay that holds a slot, and the seconds until its lease ends: negative once it has expired.

    Both are None if the last relay released the slot when it stopped, or none ever took it.
    """

    number: int
    owner: str | None
    seconds_left: float | None

    @property
    def holder(self) -> str | None:
        """The relay whose lease is live, if any."""
        return self.owner if self.seconds_left is not None and self.seconds_left >= 0 else None


@dataclass(frozen=True, slots=True)
class OpenFanOut:
    """A phase change being announced: projects named up to `told` have been notified, of `projects` bound now."""

    organization: str
    account: str
    kind: str
    instant: datetime
    told: str
    projects: int


async def totals(connection: AsyncConnection) -> Totals:
    """Return the totals so far."""
    (row,) = await fetch(connection, _TOTALS)
    decided = {one["topic"]: int(one["offsets"]) for one in await fetch(connection, _DECIDED)}
    return Totals(row["at"], decided, int(row["events"]), int(row["published"]))


async def publishing_slots(connection: AsyncConnection) -> Sequence[Slot]:
    """Return the holder of each slot."""
    return [
        Slot(row["slot"], row["owner"], None if row["seconds_left"] is None else float(row["seconds_left"]))
        for row in await fetch(connection, _SLOTS)
    ]


async def open_fan_outs(connection: AsyncConnection, limit: int) -> Sequence[OpenFanOut]:
    """Return up to `limit` open fan-outs, oldest first."""
    return [OpenFanOut(**row) for row in await fetch(connection, _FAN_OUTS, row_limit=limit)]


_TOTALS = text(
    """
    SELECT clock_timestamp() AS at, (SELECT coalesce(sum(position), 0) FROM shards) AS events,
        (SELECT coalesce(sum(position), 0) FROM published) AS published
    """
)
# Records decided ahead count at once, and not a second time when the position passes them.
_DECIDED = text(
    """
    SELECT topic, sum(offsets) AS offsets FROM (
        SELECT topic, next_offset AS offsets FROM reading_positions
        UNION ALL SELECT topic, cardinality(offsets) FROM read_ahead
    ) AS read GROUP BY topic
    """
)
_SLOTS = text(
    """
    SELECT slot, owner, extract(epoch FROM expires_at - clock_timestamp()) AS seconds_left
    FROM relay_slots CROSS JOIN generate_series(0, number - 1) AS slot LEFT JOIN relay_leases USING (slot)
    ORDER BY slot
    """
)
_FAN_OUTS = text(
    """
    SELECT organization, account, kind, instant, told, (
        SELECT count(*) FROM projects
        WHERE (projects.organization, projects.account) = (fan_outs.organization, fan_outs.account)
    ) AS projects
    FROM fan_outs ORDER BY instant, organization, account, number LIMIT :row_limit
    """
)
