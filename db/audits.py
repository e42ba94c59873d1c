"""The verdict of the last full audit, stored in the database so that a server can report it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.driver import fetch
from db.errors import is_not_allowed


@dataclass(frozen=True, slots=True)
class Begun:
    """When an audit began, and how many events the log had then: it covers at least these."""

    at: datetime
    events: int


@dataclass(frozen=True, slots=True)
class LastAudit:
    """The last audit that ended: what it covered, and its number of findings for each promise."""

    begun: Begun
    ended_at: datetime
    findings: Mapping[str, int]


async def begin_audit(engine: AsyncEngine) -> Begun:
    """Return what an audit that begins now covers."""
    async with engine.connect() as connection:
        (row,) = await fetch(connection, _BEGIN)
    return Begun(row["at"], row["events"])


async def keep_audit(engine: AsyncEngine, begun: Begun, findings: Mapping[str, int]) -> bool:
    """Store the verdict of an audit that has just ended; return False if this session may not.

    Of two overlapping audits, the one that began later is kept.
    """
    values = {
        "begun_at": begun.at,
        "events": begun.events,
        "promises": list(findings),
        "findings": list(findings.values()),
    }
    try:
        async with engine.begin() as connection:
            await connection.execute(_KEEP, values)
    except DBAPIError as error:
        if is_not_allowed(error):
            return False
        raise
    return True


async def last_audit(connection: "AsyncConnection | asyncpg.Connection[asyncpg.Record]") -> LastAudit | None:
    """Return the last audit, or None if none is stored."""
    for row in await fetch(connection, _LAST):
        findings = dict(zip(row["promises"], row["findings"], strict=True))
        return LastAudit(Begun(row["begun_at"], row["events"]), row["ended_at"], findings)
    return None


_BEGIN = text("SELECT clock_timestamp() AS at, CAST(coalesce(sum(position), 0) AS bigint) AS events FROM shards")
_LAST = text("SELECT begun_at, ended_at, events, promises, findings FROM last_audit")
_KEEP = text(
    """
    INSERT INTO last_audit (begun_at, ended_at, events, promises, findings)
    VALUES (:begun_at, clock_timestamp(), :events, CAST(:promises AS text[]), CAST(:findings AS integer[]))
    ON CONFLICT (is_only) DO UPDATE SET begun_at = excluded.begun_at, ended_at = excluded.ended_at,
        events = excluded.events, promises = excluded.promises, findings = excluded.findings
    WHERE last_audit.begun_at < excluded.begun_at
    """
)
