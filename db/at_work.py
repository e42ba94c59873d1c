"""What an installation is doing, as its database knows it: how far it is, who publishes, what is being announced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch


@dataclass(frozen=True, slots=True)
class Totals:
    """How much was done until an instant of the database's clock; two of them tell a rate.

    `decided` has the offsets of each input topic, by its name with prefix; `events` and `published` are of the log.
    """

    at: datetime
    decided: Mapping[str, int]
    events: int
    published: int


@dataclass(frozen=True, slots=True)
class Slot:
    """Who publishes a slot's shards, and in how many seconds the lease ends: less than 0 where nobody renews it.

    Nobody does, and has not since a relay stopped in good order, where both are None.
    """

    number: int
    owner: str | None
    seconds_left: float | None

    @property
    def holder(self) -> str | None:
        """Who publishes it, if anybody does."""
        return self.owner if self.seconds_left is not None and self.seconds_left >= 0 else None


@dataclass(frozen=True, slots=True)
class OpenFanOut:
    """A change of phase that is being announced: those with a name up to `told` know, of `projects` bound now."""

    organization: str
    account: str
    kind: str
    instant: datetime
    told: str
    projects: int


async def totals(connection: AsyncConnection) -> Totals:
    """Return how much was done so far."""
    (row,) = await fetch(connection, _TOTALS)
    decided = {one["topic"]: int(one["offsets"]) for one in await fetch(connection, _DECIDED)}
    return Totals(row["at"], decided, int(row["events"]), int(row["published"]))


async def publishing_slots(connection: AsyncConnection) -> Sequence[Slot]:
    """Return who publishes each slot."""
    return [
        Slot(row["slot"], row["owner"], None if row["seconds_left"] is None else float(row["seconds_left"]))
        for row in await fetch(connection, _SLOTS)
    ]


async def open_fan_outs(connection: AsyncConnection, limit: int) -> Sequence[OpenFanOut]:
    """Return up to `limit` fan-outs that are open, oldest first."""
    return [OpenFanOut(**row) for row in await fetch(connection, _FAN_OUTS, row_limit=limit)]


_TOTALS = text(
    """
    SELECT clock_timestamp() AS at, (SELECT coalesce(sum(position), 0) FROM shards) AS events,
        (SELECT coalesce(sum(position), 0) FROM published) AS published
    """
)
# What is decided ahead of others counts at once, and no more when the position has passed it.
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
