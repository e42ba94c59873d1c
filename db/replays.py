"""Stored replays: the request, the process that works on it, and the outcome."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import Connection, fetch
from schemas.replays import Manifest, ReplayState, Selection

Spans = Mapping[int, tuple[int, int]]
"""For each shard to read, the position before the first, and the last position."""


class TargetTaken(Exception):
    """Another replay writes to the topic."""


@dataclass(frozen=True, slots=True)
class KeptReplay:
    """A stored replay. `target_id` is the topic's id, if brokers report it; `rate` is events per second, if limited.

    `asked_partitions` is the number requested at its first start. `owner` works on it as long as `is_leased`.
    """

    name: str
    selection: Selection
    target: str
    target_id: UUID | None
    partitions: int
    asked_partitions: int | None
    until: datetime
    available_from: datetime | None
    spans: Spans
    rate: int | None
    is_detached: bool
    state: ReplayState
    trouble: str | None
    owner: str | None
    is_leased: bool
    records: int
    looked_at: int
    begun_at: datetime
    forgotten_at: datetime | None
    manifest: dict[str, Any] | None

    @property
    def to_look_at(self) -> int:
        """How many positions are to be read."""
        return sum(last - after for after, last in self.spans.values())


async def find_replay(connection: AsyncConnection, name: str) -> KeptReplay | None:
    """Return a replay by its name."""
    rows = await fetch(connection, _FIND, name=name)
    return _kept(dict(rows[0])) if rows else None


async def replay_into(connection: AsyncConnection, target: str) -> str | None:
    """Return the name of the replay that writes, or wrote, to a topic that has not been removed."""
    name: str | None = (await connection.execute(_INTO, {"target": target})).scalar_one_or_none()
    return name


async def list_replays(
    connection: AsyncConnection,
    *,
    before: tuple[datetime, str] | None = None,
    limit: int | None = None,
    within: Collection[str] | None = None,
) -> list[KeptReplay]:
    """Return replays, newest first: all, or up to `limit` of those before one, given by its start and name.

    With `within`, only those of the given organizations.
    """
    begun_at, name = before or (datetime.max.replace(tzinfo=UTC), "")
    organizations = None if within is None else sorted(within)
    rows = await fetch(connection, _LIST, begun_at=begun_at, name=name, organizations=organizations, row_limit=limit)
    return [_kept(dict(row)) for row in rows]


async def waiting_replays(connection: Connection) -> list[str]:
    """Return the names of running replays that no process works on, oldest first."""
    return [row["name"] for row in await fetch(connection, _WAITING)]


async def note_replay(connection: AsyncConnection, replay: KeptReplay) -> bool:
    """Store a replay that begins now; return False if its name is taken. Raises TargetTaken."""
    values = {
        "name": replay.name,
        "selection": _json(replay.selection.document()),
        "target": replay.target,
        "partitions": replay.partitions,
        "asked_partitions": replay.asked_partitions,
        "until": replay.until,
        "available_from": replay.available_from,
        "spans": _json({str(shard): span for shard, span in replay.spans.items()}),
        "rate": replay.rate,
        "is_detached": replay.is_detached,
    }
    try:
        return (await connection.execute(_NOTE, values)).one_or_none() is not None
    except IntegrityError as error:
        if "replays_by_target" not in str(error):
            raise
        raise TargetTaken(replay.target) from error


async def note_target(connection: AsyncConnection, name: str, target_id: UUID | None) -> None:
    """Record the id of the topic that a replay writes to."""
    await connection.execute(_TARGET, {"name": name, "target_id": target_id})


async def take_replay(
    connection: AsyncConnection, name: str, owner: str, seconds: float
) -> tuple[ReplayState, int | None] | None:
    """Take the lease of a replay, by the database's clock; return its state and rate.

    Return None while another process works on it. If the state is not running, no process may work on it.
    """
    row = (await connection.execute(_TAKE, {"name": name, "owner": owner, "seconds": seconds})).one_or_none()
    return None if row is None else (ReplayState(row.state), row.rate)


async def keep_replay(
    connection: AsyncConnection, name: str, owner: str, seconds: float, records: int, looked_at: int
) -> tuple[ReplayState, int | None] | None:
    """Renew a lease, and record the replayed records and the positions read; return the same as `take_replay`.

    Return None once another process has taken the lease, even if that lease has expired.
    """
    values = {"name": name, "owner": owner, "seconds": seconds, "records": records, "looked_at": looked_at}
    row = (await connection.execute(_KEEP, values)).one_or_none()
    return None if row is None else (ReplayState(row.state), row.rate)


async def owner_of_replay(connection: AsyncConnection, name: str) -> str | None:
    """Return the process that last took a replay's lease, if it has not released it."""
    owner: str | None = (await connection.execute(_OWNER, {"name": name})).scalar_one_or_none()
    return owner


async def give_up_replay(connection: AsyncConnection, name: str, owner: str) -> None:
    """Release a replay's lease, so that another process can take it at once."""
    await connection.execute(_GIVE_UP, {"name": name, "owner": owner})


async def stop_replay(connection: AsyncConnection, name: str) -> None:
    """Mark a running replay as stopped; the process that works on it then stops."""
    await connection.execute(_STOP, {"name": name})


async def go_on_with_replay(
    connection: AsyncConnection, name: str, rate: int | None, *, is_detached: bool | None
) -> None:
    """Resume a replay that is not done; None for `rate` or `is_detached` leaves it as it is."""
    await connection.execute(_GO_ON, {"name": name, "rate": rate, "is_detached": is_detached})


async def fail_replay(connection: AsyncConnection, name: str, owner: str, trouble: str) -> None:
    """Mark a replay as failed, with the reason."""
    await connection.execute(_FAIL, {"name": name, "owner": owner, "trouble": trouble})


async def conclude_replay(connection: AsyncConnection, manifest: Manifest) -> None:
    """Mark a replay as done, even if it was stopped in the meantime."""
    values = {"name": manifest.name, "manifest": _json(manifest.document()), "records": manifest.records}
    await connection.execute(_CONCLUDE, values)


async def forget_target(connection: AsyncConnection, name: str) -> None:
    """Record that a replay's topic is removed, so that other replays may use its name."""
    await connection.execute(_FORGET, {"name": name})


async def clock(connection: AsyncConnection) -> datetime:
    """Return the current instant by the database's clock."""
    instant: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return instant


def _kept(values: dict[str, Any]) -> KeptReplay:
    values["selection"] = Selection.of_document(orjson.loads(values["selection"]))
    values["state"] = ReplayState(values["state"])
    values["spans"] = {int(shard): (after, last) for shard, (after, last) in orjson.loads(values["spans"]).items()}
    values["manifest"] = values["manifest"] and orjson.loads(values["manifest"])
    return KeptReplay(**values)


def _json(document: Any) -> str:
    return orjson.dumps(document).decode()


# JSON as text: SQLAlchemy's connections and the driver's own decode it differently.
_COLUMNS = """
    name, CAST(selection AS text) AS selection, target, target_id, partitions, asked_partitions, until, available_from,
    CAST(spans AS text) AS spans, rate, is_detached, state, trouble, owner,
    (owner IS NOT NULL AND expires_at >= clock_timestamp()) AS is_leased, records, looked_at, begun_at, forgotten_at,
    CAST(manifest AS text) AS manifest
"""
_IS_FREE = """
    (owner IS NULL OR expires_at < clock_timestamp()
        -- Further ahead than any lease lasts: the clock has gone back since it was taken.
        OR expires_at > clock_timestamp() + interval '1 hour')
"""
_FIND = text(f"SELECT {_COLUMNS} FROM replays WHERE name = :name")
_INTO = text("SELECT name FROM replays WHERE target = :target AND forgotten_at IS NULL")
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM replays WHERE (begun_at, name) < (:begun_at, CAST(:name AS text) COLLATE "C")
        AND (CAST(:organizations AS text[]) IS NULL
            OR selection ->> 'organization' = ANY(CAST(:organizations AS text[])))
    ORDER BY begun_at DESC, name DESC LIMIT CAST(:row_limit AS bigint)
    """
)
_WAITING = text(
    f"""
    SELECT name FROM replays WHERE state = 'Running' AND {_IS_FREE}
    -- A replay in the foreground is only taken over if its process died holding the lease.
    AND (is_detached OR owner IS NOT NULL) ORDER BY begun_at
    """
)
_NOTE = text(
    """
    INSERT INTO replays (name, selection, target, partitions, asked_partitions, until, available_from, spans, rate,
        is_detached, state)
    VALUES (:name, CAST(:selection AS jsonb), :target, :partitions, :asked_partitions, :until, :available_from,
        CAST(:spans AS jsonb), :rate, :is_detached, 'Running')
    ON CONFLICT (name) DO NOTHING RETURNING name
    """
)
_TARGET = text("UPDATE replays SET target_id = :target_id WHERE name = :name")
_TAKE = text(
    f"""
    UPDATE replays SET owner = :owner, expires_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE name = :name AND (owner = :owner OR {_IS_FREE}) RETURNING state, rate
    """
)
_KEEP = text(
    """
    UPDATE replays SET expires_at = clock_timestamp() + make_interval(secs => :seconds), records = :records,
        looked_at = :looked_at
    WHERE name = :name AND owner = :owner RETURNING state, rate
    """
)
_OWNER = text("SELECT owner FROM replays WHERE name = :name")
_GIVE_UP = text("UPDATE replays SET owner = NULL, expires_at = NULL WHERE name = :name AND owner = :owner")
_STOP = text("UPDATE replays SET state = 'Stopped' WHERE name = :name AND state = 'Running'")
_GO_ON = text(
    """
    UPDATE replays SET state = 'Running', trouble = NULL, rate = coalesce(:rate, rate),
        is_detached = coalesce(:is_detached, is_detached)
    WHERE name = :name AND state <> 'Done'
    """
)
_FAIL = text(
    """
    UPDATE replays SET state = 'Failed', trouble = :trouble
    WHERE name = :name AND owner = :owner AND state IN ('Running', 'Stopped')
    """
)
_CONCLUDE = text(
    """
    UPDATE replays SET state = 'Done', trouble = NULL, manifest = CAST(:manifest AS json), records = :records,
        owner = NULL, expires_at = NULL
    WHERE name = :name AND state <> 'Done'
    """
)
_FORGET = text("UPDATE replays SET forgotten_at = clock_timestamp() WHERE name = :name AND forgotten_at IS NULL")
