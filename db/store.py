"""Stores what a batch decided: one COPY or statement per table, whatever the size of the batch."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.account_rows import account_row
from db.contacts import store_contacts
from db.dead_letters import about_dead_letter
from db.driver import driver, fetch
from db.redriven import about_asker, asker_piece
from db.rows import (
    ACCOUNT_TYPES,
    BINDING_TYPES,
    FAN_OUT_TYPES,
    ORGANIZATION_TYPES,
    PENDING_TYPES,
    PROFILE_TYPES,
    PROJECT_TYPES,
    REPORTED_COLUMNS,
    binding_row,
    fan_out_row,
    organization_row,
    pending_row,
    profile_row,
    reported_row,
)
from db.sealing import KeyEncryption, seal_together
from db.tables import of_organizations, of_records
from db.tables.base import column_types
from domain.book import Book
from domain.dead_letters import Dead
from domain.messages import Claim
from domain.state import Key, PhaseEntered
from schemas.records import DeadLetterReason, Record
from schemas.results import CommandCompleted
from schemas.topics import Topic


async def store(
    connection: AsyncConnection, book: Book, keys: KeyEncryption, events: Sequence[tuple[Any, ...]] = ()
) -> None:
    """Write the records that a batch changed, in their final state. `events` are the log rows of its events."""
    changed = book.changed
    await _run_over(connection, _UPSERT_ORGANIZATIONS, map(organization_row, changed.organizations.values()))
    await _run_over(connection, _UPSERT_ACCOUNTS, map(account_row, changed.accounts.values()))
    await _store_projects(connection, book)
    await _run_over(connection, _UPSERT_PROFILES, map(profile_row, changed.payment_profiles.values()))
    # After the projects and accounts they refer to: the database checks those, and updates each project's payer.
    await _copy(connection, "bindings", tuple(BINDING_TYPES), list(map(binding_row, changed.bindings)))
    await _run_over(connection, _UPSERT_FORMER_PAYERS, map(_former_payer_row, changed.former_payers.items()))
    retired = [(uid.organization, uid.project, uid.uid) for uid in changed.retired_uids]
    await _copy(connection, "retired_uids", ("organization", "project", "uid"), retired)
    await _copy(connection, "account_phases", _PHASE_COLUMNS, _phase_rows(changed.phases, events))
    # Delete before inserting: a project has at most one scheduled binding.
    await _run_over(connection, _DELETE_PENDING, _done(changed.pending, "project"))
    pending = [pending_row(one) for one in changed.pending.values() if one is not None]
    await _run_over(connection, _UPSERT_PENDING, pending)
    await _run_over(connection, _DELETE_FAN_OUTS, _done(changed.fan_outs, "account"))
    fan_outs = [fan_out_row(one) for one in changed.fan_outs.values() if one is not None]
    await _run_over(connection, _UPSERT_FAN_OUTS, fan_outs)
    await store_contacts(connection, changed.contacts.values(), keys)


async def store_claims(connection: AsyncConnection, claims: Sequence[tuple[Claim, CommandCompleted, int, int]]) -> None:
    """Write the claimed command ids, each with its latest result and that result's shard and position."""
    rows = [
        (
            claim.organization, claim.source, claim.command_id, claim.fingerprint, shard, position, result.outcome,
            result.project, result.account,
        )
        for claim, result, shard, position in claims
        if claim.is_new
    ]  # fmt: skip
    await _copy(connection, "inbox", _CLAIM_COLUMNS, rows)
    finals = [
        {
            "organization": claim.organization,
            "source": claim.source,
            "command_id": claim.command_id,
            "shard": shard,
            "position": position,
            "outcome": result.outcome,
        }
        for claim, result, shard, position in claims
        if not claim.is_new
    ]
    await _run_over(connection, _MOVE_CLAIMS, finals)


async def store_handled(connection: AsyncConnection, records: Iterable[Record]) -> None:
    """Record which records were answered without claiming an id, so that they are not answered again."""
    rows = [(record.topic, record.partition, record.offset, record.timestamp) for record in records]
    await _copy(connection, "handled_records", ("topic", "partition", "offset", "timestamp"), rows)


async def store_dead_letters(
    connection: AsyncConnection,
    letters: Iterable[tuple[Dead, Sequence[Any]]],
    origins: Mapping[str, int],
    keys: KeyEncryption,
) -> None:
    """Store dead letters complete: sealed where they may hold personal data, and never with a card number.

    Each comes with its event's log row. `origins` maps a redriven record's place to the dead letter it comes from.
    """
    rows = [_dead_row(dead, row, origins.get(dead.record.place), keys) for dead, row in letters]
    await _copy(connection, "dead_letters", _DEAD_COLUMNS, rows)


async def _store_projects(connection: AsyncConnection, book: Book) -> None:
    """Write newly reported project data; most changes affect only the payer, which is derived from the bindings."""
    new, reported = [], []
    for key, project in book.changed.projects.items():
        known = book.known_projects.get(key)
        if known is None:
            new.append(reported_row(project))
        elif known.reported != project.reported:
            reported.append({name: getattr(project, name) for name in REPORTED_COLUMNS})
    await _run_over(connection, _UPDATE_PROJECTS, reported)
    await _copy(connection, "projects", REPORTED_COLUMNS, new)


def _phase_rows(phases: Iterable[PhaseEntered], events: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the rows of phases, each with the place of its event: no two events about an account share an instant."""
    entered = {(f"{phase.organization}/{phase.account}".encode(), phase.entered_at): phase for phase in phases}
    if not entered:
        return []
    places = {
        (key, instant): (shard, position)
        for shard, position, instant, topic, key, *_ in events
        if topic == Topic.ACCOUNTS and (key, instant) in entered
    }
    return [
        (*(getattr(phase, column) for column in _PHASE_COLUMNS[:-2]), *places.get(event, (None, None)))
        for event, phase in entered.items()
    ]


def _former_payer_row(former: tuple[Key, datetime]) -> dict[str, Any]:
    (organization, account), instant = former
    return {"organization": organization, "account": account, "last_ended_at": instant}


def _done(changed: Mapping[tuple[str, str, int], object], name: str) -> list[dict[str, Any]]:
    return [{"organization": key[0], name: key[1], "number": key[2]} for key, one in changed.items() if one is None]


def _dead_row(dead: Dead, event: Sequence[Any], origin: int | None, keys: KeyEncryption) -> tuple[Any, ...]:
    record = dead.record
    shard, position, now = event[:3]
    value = record.value or b""
    hidden = dead.reason is DeadLetterReason.CARD_NUMBER
    pieces = {}
    if dead.is_private and not hidden and record.value is not None:
        pieces[about_dead_letter(record.place)] = record.value
    if dead.checked is not None and not hidden:
        pieces[about_asker(record.place)] = asker_piece(dead.checked)
    pack = seal_together(pieces, keys) if pieces else {}
    sealed, asker = pack.get(about_dead_letter(record.place)), pack.get(about_asker(record.place))
    wrapped = sealed or asker
    return (
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        str(dead.reason),
        dead.detail,
        None if hidden else record.key,
        # As bytes: a header's name may contain a NUL, which PostgreSQL's text cannot.
        None if hidden else [name.encode() for name, _ in dead.headers],
        None if hidden else [value for _, value in dead.headers],
        None if hidden or dead.is_private else record.value,
        wrapped and wrapped.key_id,
        wrapped and wrapped.wrapped_key,
        sealed and sealed.sealed,
        now,
        dead.owner,
        len(value),
        None if hidden or record.value is None else hashlib.sha256(value).digest(),
        shard,
        position,
        origin,
        asker and asker.sealed,
    )


async def _copy(
    connection: AsyncConnection, table: str, column_names: Sequence[str], rows: list[tuple[Any, ...]]
) -> None:
    if rows:
        await (await driver(connection)).copy_records_to_table(table, records=rows, columns=column_names)


async def _run_over(connection: AsyncConnection, statement: TextClause, rows: Iterable[dict[str, Any]]) -> None:
    """Run a statement over rows, passed as one array per column under the column's name."""
    listed = list(rows)
    if listed:
        await fetch(connection, statement, **{name: [row[name] for row in listed] for name in listed[0]})


def _arrays(types: Mapping[str, str]) -> str:
    return ", ".join(f"CAST(:{name} AS {type_}[])" for name, type_ in types.items())


def _upsert(table: str, key: Sequence[str], types: Mapping[str, str]) -> TextClause:
    replaced = ", ".join(f"{name} = excluded.{name}" for name in types if name not in key)
    return text(
        f"""
        INSERT INTO {table} ({", ".join(types)}) SELECT * FROM unnest({_arrays(types)})
        ON CONFLICT ({", ".join(key)}) DO UPDATE SET {replaced}
        """
    )


def _delete(table: str, types: Mapping[str, str]) -> TextClause:
    names = ", ".join(types)
    return text(f"DELETE FROM {table} WHERE ({names}) IN (SELECT * FROM unnest({_arrays(types)}))")


_CLAIM_COLUMNS = tuple(column_types(of_records.inbox))
_PHASE_COLUMNS = tuple(column_types(of_organizations.account_phases))
_DEAD_COLUMNS = tuple(name for name in column_types(of_records.dead_letters) if name != "number")
_RESULT_TYPES = {
    name: type_
    for name, type_ in column_types(of_records.inbox).items()
    if name not in ("fingerprint", "project", "account")
}
_UPSERT_ORGANIZATIONS = _upsert("organizations", ("organization",), ORGANIZATION_TYPES)
_UPSERT_ACCOUNTS = _upsert("accounts", ("organization", "account"), ACCOUNT_TYPES)
_UPSERT_PROFILES = _upsert("payment_profiles", ("organization", "payment_profile"), PROFILE_TYPES)
_UPSERT_PENDING = _upsert("pending_bindings", ("organization", "project", "number"), PENDING_TYPES)
_UPSERT_FAN_OUTS = _upsert("fan_outs", ("organization", "account", "number"), FAN_OUT_TYPES)
_UPSERT_FORMER_PAYERS = _upsert(
    "former_payers", ("organization", "account"), column_types(of_organizations.former_payers)
)
_DELETE_PENDING = _delete("pending_bindings", {"organization": "text", "project": "text", "number": "bigint"})
_DELETE_FAN_OUTS = _delete("fan_outs", {"organization": "text", "account": "text", "number": "integer"})
_MOVE_CLAIMS = text(
    f"""
    UPDATE inbox SET shard = final.shard, position = final.position, outcome = final.outcome
    FROM unnest({_arrays(_RESULT_TYPES)}) AS final({", ".join(_RESULT_TYPES)})
    WHERE (inbox.organization, inbox.source, inbox.command_id) = (final.organization, final.source, final.command_id)
    """
)
_UPDATE_PROJECTS = text(
    f"""
    UPDATE projects SET {", ".join(f"{name} = changed.{name}" for name in REPORTED_COLUMNS[2:])}
    FROM unnest({_arrays({name: PROJECT_TYPES[name] for name in REPORTED_COLUMNS})})
        AS changed({", ".join(REPORTED_COLUMNS)})
    WHERE projects.organization = changed.organization AND projects.project = changed.project
    """
)
