"""The reads of an audit: the tables of one shard's organizations, streamed from one snapshot."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.account_rows import account_of
from db.driver import driver, fetch
from db.log import PARTITION_POSITIONS, LogRow
from db.rows import (
    ACCOUNT_TYPES,
    BINDING_TYPES,
    FAN_OUT_TYPES,
    PENDING_TYPES,
    PROFILE_TYPES,
    PROJECT_TYPES,
    fan_out_of,
    pending_of,
    profile_of,
)
from domain.state import Account, Binding, Key, PaymentProfile, Project

_PREFETCH = 2_000
_MOST_LOST = 20

Row = Mapping[str, Any]
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Unloadable:
    """A row that cannot be loaded: its place, and the reason."""

    place: str
    trouble: str


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yield a connection with a snapshot of the current database; it blocks no writer."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with connection.begin():
            for limit in ("transaction_timeout", "statement_timeout"):
                await connection.execute(text(f"SET LOCAL {limit} = 0"))
            # Before the snapshot is taken, so that it sees the log and the archive at the same moment.
            await connection.execute(text("LOCK TABLE log IN ACCESS SHARE MODE"))
            yield connection


async def organizations(connection: AsyncConnection) -> list[str]:
    """Return every organization that has any rows."""
    return [row["organization"] for row in await fetch(connection, _ORGANIZATIONS)]


async def log_rows(connection: AsyncConnection, shard: int) -> AsyncIterator[tuple[LogRow, datetime]]:
    """Yield a shard's rows in order, each with the instant at which it was recorded."""
    async for row in _stream(connection, _LOG, shard):
        yield LogRow(*row[:7]), row[7]


async def log_rows_at(connection: AsyncConnection, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], LogRow]:
    """Return the rows at these places (shard, position), except those that are missing."""
    shards, positions = [shard for shard, _ in places], [position for _, position in places]
    rows = await fetch(connection, _LOG_AT, shards=shards, positions=positions)
    return {(row["shard"], row["position"]): LogRow(*row.values()) for row in rows}


async def lost_rows(connection: AsyncConnection, shard: int) -> list[tuple[int, str | None]]:
    """Return the first rows of a shard with a wrong organization: the position, and the organization stored there."""
    rows = await fetch(connection, _LOST_ROWS, shard=shard, row_limit=_MOST_LOST)
    return [(row["position"], row["boundary"]) for row in rows]


async def kept_from(connection: AsyncConnection) -> int:
    """Return the first position still in the table; partitions before it may have been archived."""
    row = (await fetch(connection, _LOWEST_PARTITION))[0]
    return int(row["number"] or 0) * PARTITION_POSITIONS


async def all_bindings(connection: AsyncConnection, names: Sequence[str]) -> AsyncIterator[Binding | Unloadable]:
    """Yield the bindings of organizations by project, and in order within a project."""
    async for row in _stream(connection, _all(_BINDINGS), names):
        yield _BINDINGS.record_of(row)


async def all_projects(connection: AsyncConnection, names: Sequence[str]) -> AsyncIterator[Project | Unloadable]:
    """Yield the projects of organizations, in the order of `all_bindings`."""
    async for row in _stream(connection, _all(_PROJECTS), names):
        yield _PROJECTS.record_of(row)


async def all_former_payers(connection: AsyncConnection, names: Sequence[str]) -> dict[Key, datetime]:
    """Return the accounts that ever stopped paying for a project, each with the instant of the last time."""
    return {
        (row["organization"], row["account"]): row["last_ended_at"]
        async for row in _stream(connection, _FORMER_PAYERS, names)
    }


async def all_accounts(
    connection: AsyncConnection, names: Sequence[str]
) -> AsyncIterator[tuple[Account | Unloadable, PaymentProfile | Unloadable | None, int, str | None]]:
    """Yield the accounts of organizations, each with its payment profile and its last recorded phase and number."""
    async for row in _stream(connection, _ACCOUNTS_AND_PROFILES, names):
        account = _ACCOUNTS.record_of(row, "account_")
        profile = None if row["profile_payment_profile"] is None else _PROFILES.record_of(row, "profile_")
        yield account, profile, row["last_number"] or 0, row["last_phase"]


async def unloadable_others(connection: AsyncConnection, names: Sequence[str]) -> AsyncIterator[Unloadable]:
    """Yield the rows that cannot be loaded from tables other than accounts, projects and bindings."""
    for kind in (_PROFILES, _PENDING_BINDINGS, _FAN_OUTS):
        async for row in _stream(connection, _all(kind), names):
            record = kind.record_of(row)
            if isinstance(record, Unloadable):
                yield record


async def all_claims(connection: AsyncConnection, names: Sequence[str]) -> AsyncIterator[Row]:
    """Yield the claimed command ids of organizations, each with the log row that should be its result."""
    async for row in _stream(connection, _CLAIMS, names):
        yield row


async def forgotten_commands(connection: AsyncConnection, shard: int) -> AsyncIterator[Row]:
    """Yield the entries of a shard's forgotten commands, each with the log row that should be its result."""
    async for row in _stream(connection, _FORGOTTEN, shard):
        yield row


async def misplaced_phases(connection: AsyncConnection, names: Sequence[str]) -> AsyncIterator[Row]:
    """Yield the recorded phases of organizations' accounts whose stored place is not that of their event.

    Each has `organization`, `account`, `number`, `position`, and `is_missing` if the log has no row there.
    """
    async for row in _stream(connection, _MISPLACED_PHASES, names):
        yield row


async def all_pending(connection: AsyncConnection, names: Sequence[str]) -> AsyncIterator[Row]:
    """Yield the commands of organizations that are still waiting for their final result."""
    async for row in _stream(connection, _PENDING, names):
        yield row


async def all_dead_letters(connection: AsyncConnection, shard: int) -> AsyncIterator[Row]:
    """Yield the dead letters whose events are in a shard: number, place, timestamp, reason, and position."""
    async for row in _stream(connection, _DEAD_LETTERS, shard):
        yield row


async def action_troubles(connection: AsyncConnection) -> AsyncIterator[tuple[int, str]]:
    """Yield what is wrong with the actions on dead letters, each with the dead letter's number."""
    async for row in _stream(connection, _ACTION_TROUBLES):
        yield row["number"], row["trouble"]


async def _stream(connection: AsyncConnection, query: str, *values: Any) -> AsyncIterator[Any]:
    async for row in (await driver(connection)).cursor(query, *values, prefetch=_PREFETCH):
        yield row


class _Kind(Generic[R]):
    """A table whose rows are loaded one by one, so that a bad row does not hide the others."""

    def __init__(self, table: str, types: Mapping[str, str], key: Sequence[str], make: Callable[[Row], R]) -> None:
        self.table = table
        self.types = types
        self.key = key
        self._make = make

    def columns(self, table: str, prefix: str = "") -> str:
        """Return a select list, with instants and JSON as text: one unreadable value would fail a whole page."""
        return ", ".join(
            f"CAST({table}.{name} AS text) AS {prefix}{name}"
            if type_ in ("jsonb", _INSTANT)
            else f"{table}.{name} AS {prefix}{name}"
            for name, type_ in self.types.items()
        )

    def record_of(self, row: Row, prefix: str = "") -> R | Unloadable:
        """Return the record of a row."""
        try:
            values = {name: row[f"{prefix}{name}"] for name in self.types}
            instants = {name: values[name] for name, type_ in self.types.items() if type_ == _INSTANT}
            return self._make(values | {name: text and _instant(text) for name, text in instants.items()})
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            # Without the row's values, which may be personal data.
            causes = [one["msg"] for one in error.errors()] if isinstance(error, ValidationError) else [str(error)]
            place = "/".join(str(row[f"{prefix}{name}"]) for name in self.key)
            return Unloadable(place, f"its row of {self.table} cannot be loaded: {'; '.join(causes)}")


def _instant(text: str) -> datetime:
    if text in _ENDS:
        return _ENDS[text]
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is beyond the calendar") from None


_INSTANT = "timestamp with time zone"
# Earlier versions wrote these for the first and last instants of the calendar.
_ENDS = {"-infinity": datetime.min.replace(tzinfo=UTC), "infinity": datetime.max.replace(tzinfo=UTC)}
_ACCOUNTS = _Kind("accounts", ACCOUNT_TYPES, ("organization", "account"), account_of)
_PROJECTS = _Kind("projects", PROJECT_TYPES, ("organization", "project"), lambda row: Project(**row))
_BINDINGS = _Kind("bindings", BINDING_TYPES, ("organization", "project", "number"), lambda row: Binding(**row))
_PROFILES = _Kind("payment_profiles", PROFILE_TYPES, ("organization", "payment_profile"), profile_of)
_PENDING_BINDINGS = _Kind("pending_bindings", PENDING_TYPES, ("organization", "project", "number"), pending_of)
_FAN_OUTS = _Kind("fan_outs", FAN_OUT_TYPES, ("organization", "account", "number"), fan_out_of)


def _all(kind: _Kind[Any]) -> str:
    return (
        f"SELECT {kind.columns(kind.table)} FROM {kind.table} "
        f"WHERE organization = ANY($1) ORDER BY {', '.join(f'{kind.table}.{name}' for name in kind.key)}"
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
    SELECT shard, position, topic, key, value, hash, CAST(asked AS text), recorded_at FROM log
    WHERE shard = $1 ORDER BY position
"""
_LOG_AT = text(
    """
    SELECT log.shard, log.position, log.topic, log.key, log.value, log.hash,
        CAST(log.asked AS text) AS asked
    FROM unnest(CAST(:shards AS smallint[]), CAST(:positions AS bigint[])) AS wanted(shard, position)
    JOIN log ON (log.shard, log.position) = (wanted.shard, wanted.position)
    """
)
_LOST_ROWS = text(
    """
    SELECT position, boundary FROM log
    WHERE shard = CAST(:shard AS smallint) AND CASE
        WHEN topic = 'dead-letters' THEN boundary IS NOT NULL
        -- In bytes, since an altered key may not be valid text.
        ELSE boundary IS NULL OR key IS NULL OR substring(key || CAST('/' AS bytea) FOR octet_length(boundary) + 1)
            <> convert_to(boundary || '/', 'UTF8')
    END
    ORDER BY position LIMIT :row_limit
    """
)
_LOWEST_PARTITION = text(
    """
    SELECT min(CAST(substring(partition.relname FROM '^log_p([0-9]+)$') AS bigint)) AS number
    FROM pg_inherits JOIN pg_class AS partition ON partition.oid = inhrelid
    WHERE inhparent = CAST('log' AS regclass)
    """
)
_FORMER_PAYERS = """
    SELECT organization, account, last_ended_at FROM former_payers WHERE organization = ANY($1)
"""
_ACCOUNTS_AND_PROFILES = f"""
    SELECT {_ACCOUNTS.columns("account", "account_")}, {_PROFILES.columns("profile", "profile_")},
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
    SELECT inbox.organization, inbox.source, inbox.command_id, inbox.shard, inbox.position, inbox.outcome,
        inbox.project, inbox.account, log.topic, log.value
    FROM inbox LEFT JOIN log ON log.shard = inbox.shard AND log.position = inbox.position
    WHERE inbox.organization = ANY($1)
"""
_FORGOTTEN = """
    SELECT forgotten.position, forgotten.digest, forgotten.fingerprint, log.topic, log.value
    FROM forgotten_commands AS forgotten
    LEFT JOIN log ON log.shard = forgotten.shard AND log.position = forgotten.position
    WHERE forgotten.shard = $1
"""
_MISPLACED_PHASES = """
    SELECT entered.organization, entered.account, entered.number, entered.shard, entered.position, entered.entered_at,
        log.topic IS NULL AS is_missing
    FROM account_phases AS entered LEFT JOIN log ON log.shard = entered.shard AND log.position = entered.position
    WHERE entered.organization = ANY($1) AND (
        log.topic = 'accounts' AND log.recorded_at = entered.entered_at
        AND log.key = convert_to(entered.organization || '/' || entered.account, 'UTF8')
    ) IS NOT TRUE
    ORDER BY entered.organization, entered.account, entered.number
"""
_PENDING = """
    SELECT organization, project, kind, source, command_id FROM (
        SELECT *, origin ->> 'caused_by' AS command_id FROM pending_bindings
    ) AS pending WHERE organization = ANY($1)
"""
_DEAD_LETTERS = """
    SELECT number, topic || '/' || partition || '/' || "offset" AS place, timestamp, reason, position FROM dead_letters
    WHERE shard = $1 ORDER BY position
"""
_ACTION_TROUBLES = """
    SELECT number, max(ordinal) || ' actions are counted, ' || count(*) || ' are kept' AS trouble
    FROM dead_letter_actions GROUP BY number HAVING max(ordinal) <> count(*)
    UNION ALL
    SELECT letter.number, 'it was redriven as ' || letter.topic || '/' || action.partition || '/' || action."offset"
        || ', which is said to be read, but no worker has noted that' AS trouble
    FROM dead_letter_actions AS action JOIN dead_letters AS letter USING (number)
    JOIN reading_positions AS read ON read.topic = letter.topic AND read.partition = action.partition
    WHERE action.timestamp IS NULL AND action."offset" < read.next_offset
    UNION ALL
    SELECT again.number, 'it came of dead letter ' || letter.number || ', but says that it came of '
        || coalesce(CAST(again.origin AS text), 'none') AS trouble
    FROM dead_letter_actions AS action JOIN dead_letters AS letter USING (number)
    JOIN dead_letters AS again ON again.topic = letter.topic AND again.partition = action.partition
        AND again."offset" = action."offset" AND again.timestamp = action.timestamp
    WHERE again.origin IS DISTINCT FROM coalesce(letter.origin, letter.number)
    ORDER BY number
"""
