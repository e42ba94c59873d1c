"""What an audit reads: whole tables, as streams, of the organizations of one shard, in one transaction's snapshot."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.engine import driver, fetch
from db.log import PARTITION_POSITIONS, LogRow
from db.rows import ACCOUNT_TYPES, PROFILE_TYPES, account_of, profile_of
from domain.state import Account, PaymentProfile

_PREFETCH = 2_000

Row = Mapping[str, Any]


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yield a connection that sees the database as it is now, for as long as it is used, and holds nobody up."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with connection.begin():
            for limit in ("transaction_timeout", "statement_timeout"):
                await connection.execute(text(f"SET LOCAL {limit} = 0"))
            yield connection


async def organizations(connection: AsyncConnection) -> list[str]:
    """Return every organization of which anything is kept."""
    return [row["organization"] for row in await fetch(connection, _ORGANIZATIONS)]


async def log_rows(connection: AsyncConnection, shard: int, after: int = 0) -> AsyncIterator[tuple[LogRow, datetime]]:
    """Yield the rows of a shard past a position, in order, each with the instant at which it was recorded."""
    async for row in _stream(connection, _LOG, shard, after):
        yield LogRow(*row[:6]), row[6]


async def log_rows_at(connection: AsyncConnection, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], LogRow]:
    """Return the rows at places, shard and position; those that are missing are not in it."""
    shards, positions = [shard for shard, _ in places], [position for _, position in places]
    rows = await fetch(connection, _LOG_AT, shards=shards, positions=positions)
    return {(row["shard"], row["position"]): LogRow(*row.values()) for row in rows}


async def kept_from(connection: AsyncConnection) -> int:
    """Return the position from which on rows are kept; partitions of those before may have been archived."""
    row = (await fetch(connection, _LOWEST_PARTITION))[0]
    return int(row["number"] or 0) * PARTITION_POSITIONS


async def all_bindings(connection: AsyncConnection, names: Sequence[str]) -> AsyncIterator[Row]:
    """Yield the bindings of organizations, project by project, each project's in order."""
    async for row in _stream(connection, _BINDINGS, names):
        yield row


async def all_projects(connection: AsyncConnection, names: Sequence[str]) -> AsyncIterator[Row]:
    """Yield the projects of organizations, in the order of `all_bindings`."""
    async for row in _stream(connection, _PROJECTS, names):
        yield row


async def all_accounts(
    connection: AsyncConnection, names: Sequence[str]
) -> AsyncIterator[tuple[Account, PaymentProfile | None, int, str | None]]:
    """Yield the accounts of organizations, each with its payment profile, the number and phase of its history's end."""
    async for row in _stream(connection, _ACCOUNTS, names):
        account = account_of({name: row[f"account_{name}"] for name in ACCOUNT_TYPES})
        profile = None
        if row["profile_payment_profile"] is not None:
            profile = profile_of({name: row[f"profile_{name}"] for name in PROFILE_TYPES})
        yield account, profile, row["last_number"] or 0, row["last_phase"]


async def all_claims(connection: AsyncConnection, names: Sequence[str]) -> AsyncIterator[Row]:
    """Yield the claimed command ids of organizations, each with the row of the log where its result should stand."""
    async for row in _stream(connection, _CLAIMS, names):
        yield row


async def all_pending(connection: AsyncConnection, names: Sequence[str]) -> AsyncIterator[Row]:
    """Yield the commands of organizations whose final result is yet to come."""
    async for row in _stream(connection, _PENDING, names):
        yield row


async def _stream(connection: AsyncConnection, query: str, *values: Any) -> AsyncIterator[Any]:
    async for row in (await driver(connection)).cursor(query, *values, prefetch=_PREFETCH):
        yield row


def _of(table: str, types: Mapping[str, str], prefix: str) -> str:
    return ", ".join(
        f"CAST({table}.{name} AS text) AS {prefix}_{name}" if type_ == "jsonb" else f"{table}.{name} AS {prefix}_{name}"
        for name, type_ in types.items()
    )


_ORGANIZATIONS = text(
    """
    SELECT organization FROM (
        SELECT organization FROM projects UNION SELECT organization FROM accounts UNION
        SELECT organization FROM inbox UNION SELECT organization FROM bindings
    ) AS found ORDER BY organization
    """
)
_LOG = """
    SELECT shard, position, topic, key, value, hash, recorded_at FROM log
    WHERE shard = $1 AND position > $2 ORDER BY position
"""
_LOG_AT = text(
    """
    SELECT log.shard, log.position, log.topic, log.key, log.value, log.hash
    FROM unnest(CAST(:shards AS smallint[]), CAST(:positions AS bigint[])) AS wanted(shard, position)
    JOIN log ON (log.shard, log.position) = (wanted.shard, wanted.position)
    """
)
_LOWEST_PARTITION = text(
    """
    SELECT min(CAST(substring(partition.relname FROM '^log_p([0-9]+)$') AS bigint)) AS number
    FROM pg_inherits JOIN pg_class AS partition ON partition.oid = inhrelid
    WHERE inhparent = CAST('log' AS regclass)
    """
)
_BINDINGS = """
    SELECT organization, project, number, account, established_at, ended_at, released, previous_ended_at
    FROM bindings WHERE organization = ANY($1) ORDER BY organization, project, number
"""
_PROJECTS = """
    SELECT organization, project, state, bindings, sequence, last_ended_at
    FROM projects WHERE organization = ANY($1) ORDER BY organization, project COLLATE "C"
"""
_ACCOUNTS = f"""
    SELECT {_of("account", ACCOUNT_TYPES, "account")}, {_of("profile", PROFILE_TYPES, "profile")},
        history.number AS last_number, history.phase AS last_phase
    FROM accounts AS account
    LEFT JOIN payment_profiles AS profile ON profile.organization = account.organization
        AND profile.payment_profile = account.payment_profile
    LEFT JOIN LATERAL (
        SELECT number, phase FROM account_phases AS entered
        WHERE entered.organization = account.organization AND entered.account = account.account
        ORDER BY number DESC LIMIT 1
    ) AS history ON true
    WHERE account.organization = ANY($1) ORDER BY account.organization, account.account
"""
_CLAIMS = """
    SELECT inbox.organization, inbox.source, inbox.command_id, inbox.shard, inbox.position, log.topic, log.value
    FROM inbox LEFT JOIN log ON log.shard = inbox.shard AND log.position = inbox.position
    WHERE inbox.organization = ANY($1)
"""
_PENDING = """
    SELECT organization, project, kind, source, command_id FROM (
        SELECT *, origin ->> 'caused_by' AS command_id FROM pending_bindings
    ) AS pending WHERE organization = ANY($1)
"""
