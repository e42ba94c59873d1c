"""Storing what a batch decided: one COPY or one statement per table, whatever the size of the batch."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import driver
from domain.book import Book
from domain.dead_letters import Dead
from domain.fold import Claim
from domain.state import Account, Binding, PaymentProfile, Project
from schemas.events import Condition, Hold
from schemas.records import DeadLetterReason, Record

_CONDITIONS = TypeAdapter(tuple[Condition, ...])
_HOLDS = TypeAdapter(tuple[Hold, ...])


async def store(connection: AsyncConnection, book: Book) -> None:
    """Write the records that a batch changed, in their last state."""
    await _upsert(connection, _UPSERT_ACCOUNTS, map(_account_row, book.accounts_changed.values()))
    await _upsert(connection, _UPSERT_PROJECTS, map(_project_row, book.projects_changed.values()))
    await _upsert(connection, _UPSERT_PROFILES, map(_profile_row, book.payment_profiles_changed.values()))
    known = [key in book.bindings_known for key in book.bindings_changed]
    bindings = list(zip(known, book.bindings_changed.values(), strict=True))
    # The old payer ends before the new one begins: at no moment are there two.
    await _upsert(connection, _END_BINDINGS, [_ending_row(binding) for is_known, binding in bindings if is_known])
    await _copy(
        connection,
        "bindings",
        _BINDING_COLUMNS,
        [_binding_row(binding) for is_known, binding in bindings if not is_known],
    )
    await _copy(
        connection,
        "retired_uids",
        ("organization", "project", "uid"),
        [(retired.organization, retired.project, retired.uid) for retired in book.uids_retired],
    )
    await _copy(
        connection,
        "account_phases",
        _PHASE_COLUMNS,
        [tuple(getattr(entered, column) for column in _PHASE_COLUMNS) for entered in book.phases_entered],
    )


async def store_claims(connection: AsyncConnection, claims: Sequence[tuple[Claim, int, int]]) -> None:
    """Write which command ids are taken; each claim comes with the shard and position of its result."""
    await _copy(
        connection,
        "inbox",
        ("organization", "source", "command_id", "fingerprint", "shard", "position"),
        [
            (claim.organization, claim.source, claim.command_id, claim.fingerprint, shard, position)
            for claim, shard, position in claims
        ],
    )


async def store_handled(connection: AsyncConnection, records: Iterable[Record]) -> None:
    """Write which records were answered without claiming an id, so that they are not answered again."""
    rows = [(record.topic, record.partition, record.offset, record.timestamp) for record in records]
    await _copy(connection, "handled_records", ("topic", "partition", "offset", "timestamp"), rows)


async def store_dead_letters(connection: AsyncConnection, dead: Iterable[Dead], now: datetime) -> None:
    """Keep dead records whole, but for what must not be kept: card numbers, and what may be personal."""
    await _copy(connection, "dead_letters", _DEAD_COLUMNS, [_dead_row(letter, now) for letter in dead])


async def _copy(connection: AsyncConnection, table: str, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        await (await driver(connection)).copy_records_to_table(table, records=rows, columns=columns)


async def _upsert(connection: AsyncConnection, statement: TextClause, rows: Iterable[dict[str, Any]]) -> None:
    """Run a statement over rows given as one array per column, each named as the column."""
    listed = list(rows)
    if listed:
        await connection.execute(statement, {name: [row[name] for row in listed] for name in listed[0]})


def _json(value: BaseModel | None) -> str | None:
    return None if value is None else value.model_dump_json()


def _account_row(account: Account) -> dict[str, Any]:
    return {
        "organization": account.organization,
        "account": account.account,
        "version": account.version,
        "phases": account.phases,
        "sequence": account.sequence,
        "last_instant": account.last_instant,
        "phase": str(account.phase),
        "conditions": _CONDITIONS.dump_json(account.conditions).decode(),
        "display_name": account.display_name,
        "currency_code": account.currency_code,
        "payment_terms": _json(account.payment_terms),
        "payment_profile": account.payment_profile,
        "holds": _HOLDS.dump_json(account.holds).decode(),
        "closure": _json(account.closure),
        "activated_at": account.activated_at,
    }


def _project_row(project: Project) -> dict[str, Any]:
    return {name: getattr(project, name) for name in _PROJECT_TYPES}


def _profile_row(profile: PaymentProfile) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in _PROFILE_TYPES}


def _ending_row(binding: Binding) -> dict[str, Any]:
    return {name: getattr(binding, name) for name in _ENDING_TYPES}


def _binding_row(binding: Binding) -> tuple[Any, ...]:
    return tuple(getattr(binding, column) for column in _BINDING_COLUMNS)


def _dead_row(dead: Dead, now: datetime) -> tuple[Any, ...]:
    record = dead.record
    hidden = dead.reason is DeadLetterReason.CARD_NUMBER
    return (
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        str(dead.reason),
        dead.detail,
        None if hidden else record.key,
        # As bytes: a header's name may hold a NUL, which no text of PostgreSQL can.
        None if hidden else [name.encode() for name, _ in record.headers],
        None if hidden else [value for _, value in record.headers],
        None if hidden or dead.is_private else record.value,
        now,
    )


_PHASE_COLUMNS = (
    "organization", "account", "number", "previous_phase", "phase", "reason", "message", "by", "caused_by",
    "entered_at",
)  # fmt: skip
_BINDING_COLUMNS = (
    "organization", "project", "number", "account", "established_at", "ended_at", "released", "previous_ended_at",
)  # fmt: skip
_DEAD_COLUMNS = (
    "topic", "partition", "offset", "timestamp", "reason", "detail", "key", "header_names", "header_values", "value",
    "recorded_at",
)  # fmt: skip
_ACCOUNT_TYPES = {
    "organization": "text",
    "account": "text",
    "version": "bigint",
    "phases": "integer",
    "sequence": "bigint",
    "last_instant": "timestamptz",
    "phase": "text",
    "conditions": "jsonb",
    "display_name": "text",
    "currency_code": "text",
    "payment_terms": "jsonb",
    "payment_profile": "text",
    "holds": "jsonb",
    "closure": "jsonb",
    "activated_at": "timestamptz",
}
_PROJECT_TYPES = {
    "organization": "text",
    "project": "text",
    "state": "text",
    "version": "bigint",
    "uid": "text",
    "display_name": "text",
    "bindings": "bigint",
    "sequence": "bigint",
    "last_instant": "timestamptz",
    "last_ended_at": "timestamptz",
}
_PROFILE_TYPES = {
    "organization": "text",
    "payment_profile": "text",
    "kind": "text",
    "state": "text",
    "version": "bigint",
    "reference": "text",
    "country": "text",
    "expires_at": "timestamptz",
    "reason": "text",
}
_ENDING_TYPES = {
    "organization": "text",
    "project": "text",
    "number": "bigint",
    "ended_at": "timestamptz",
    "released": "boolean",
}


def _arrays(types: dict[str, str]) -> str:
    return ", ".join(f"CAST(:{name} AS {type_}[])" for name, type_ in types.items())


def _upsert_statement(table: str, key: Sequence[str], types: dict[str, str]) -> TextClause:
    replaced = ", ".join(f"{name} = excluded.{name}" for name in types if name not in key)
    return text(
        f"""
        INSERT INTO {table} ({", ".join(types)}) SELECT * FROM unnest({_arrays(types)})
        ON CONFLICT ({", ".join(key)}) DO UPDATE SET {replaced}
        """
    )


_UPSERT_ACCOUNTS = _upsert_statement("accounts", ("organization", "account"), _ACCOUNT_TYPES)
_UPSERT_PROJECTS = _upsert_statement("projects", ("organization", "project"), _PROJECT_TYPES)
_UPSERT_PROFILES = _upsert_statement("payment_profiles", ("organization", "payment_profile"), _PROFILE_TYPES)
_END_BINDINGS = text(
    f"""
    UPDATE bindings SET ended_at = ending.ended_at, released = ending.released
    FROM unnest({_arrays(_ENDING_TYPES)}) AS ending({", ".join(_ENDING_TYPES)})
    WHERE (bindings.organization, bindings.project, bindings.number)
        = (ending.organization, ending.project, ending.number)
    """
)
