"""The questions: who pays, since when, and the state of an account. Read-only, one consistent answer each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.contacts import load_contact
from db.payers import WHO_PAYS
from db.rows import ACCOUNT_TYPES, BINDING_TYPES, PROJECT_TYPES, account_of, columns
from db.sealing import KeyEncryption
from domain.state import Account, Binding, Project
from schemas.events import AccountState
from schemas.instants import format_instant
from schemas.scalars import format_decimal


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One payer of a project, in `[established_at, ended_at)`; `number` counts payers from 1."""

    number: int
    binding_id: str
    account: str
    established_at: datetime
    ended_at: datetime | None


async def payer(connection: AsyncConnection, organization: str, project: str, at: datetime | None = None) -> str | None:
    """Return the account that pays for a project now, or paid at an instant; None when nobody does."""
    answer = (await connection.exec_driver_sql(WHO_PAYS, (organization, project, at))).one()
    return None if answer.account is None else str(answer.account)


async def project(connection: AsyncConnection, organization: str, project: str) -> dict[str, Any] | None:
    """Return a project as in docs/contract.md, section 11: its payer, and its scheduled and waiting bindings.

    None if it was never reported.
    """
    rows = (await connection.execute(_PROJECT, {"organization": organization, "project": project})).all()
    if not rows:
        return None
    found = Project(**{name: rows[0]._mapping[name] for name in PROJECT_TYPES})
    pending = [(row.kind, _pending(row)) for row in rows if row.kind is not None]
    optional = {"uid": found.uid, "displayName": found.display_name}
    return {
        "organization": organization,
        "project": project,
        "state": found.state,
        "version": found.version,
        **{name: value for name, value in optional.items() if value is not None},
        "payer": _interval(found, rows[0].currency_code),
        "scheduled": next((one for kind, one in pending if kind == "Scheduled"), None),
        "waiting": [one for kind, one in pending if kind == "Waiting"],
    }


async def timeline(connection: AsyncConnection, organization: str, project: str) -> list[TimelineEntry]:
    """Return all payers of a project, oldest first: each pays until the next change of payer."""
    rows = await connection.execute(_TIMELINE, {"organization": organization, "project": project})
    bindings = [Binding(**row._mapping) for row in rows]
    ends = [*(binding.from_instant for binding in bindings[1:]), None]
    found: list[TimelineEntry] = []
    for binding, end in zip(bindings, ends, strict=False):
        if binding.account is not None:
            number = len(found) + 1
            found.append(TimelineEntry(number, binding.binding_id, binding.account, binding.from_instant, end))
    return found


async def account(
    connection: AsyncConnection, organization: str, account: str, keys: KeyEncryption | None = None
) -> dict[str, Any] | None:
    """Return an account with the members of `AccountChanged`, its latest `balance` (None if never reported), and
    `projects`, how many it pays for; None when unknown.

    If keys are given, its `contact` is unsealed too: personal data.
    """
    names = {"organization": organization, "account": account}
    row = (await connection.execute(_ACCOUNT, names)).one_or_none()
    if row is None:
        return None
    known = account_of(row._asdict())
    answer: dict[str, Any] = _STATE.dump_python(AccountState.of(known), mode="json")
    if keys:
        contact = await load_contact(connection, organization, account, keys)
        answer["contact"] = contact and contact.model_dump(mode="json", exclude_none=True)
    return answer | {"balance": _balance(known), "projects": row.projects}


async def account_history(connection: AsyncConnection, organization: str, account: str) -> list[dict[str, Any]]:
    """Return the phases that an account entered, oldest first: from, to, reason, message, by, causedBy and at."""
    rows = await connection.execute(_HISTORY, {"organization": organization, "account": account})
    return [
        {
            "from": row.previous_phase,
            "to": row.phase,
            "reason": row.reason,
            "message": row.message,
            "by": row.by,
            "causedBy": row.caused_by,
            "at": format_instant(row.entered_at),
        }
        for row in rows
    ]


async def projects_of_account(connection: AsyncConnection, organization: str, account: str) -> list[str]:
    """Return the projects that an account pays for now, by name."""
    rows = await connection.execute(_PROJECTS_OF_ACCOUNT, {"organization": organization, "account": account})
    return list(rows.scalars())


async def results(
    connection: AsyncConnection, organization: str, command_id: str, source: str | None = None
) -> list[bytes]:
    """Return the results of the commands with an id, of one source or of all: the events as they were published."""
    names = {"organization": organization, "command_id": command_id, "source": source}
    return list((await connection.execute(_RESULTS, names)).scalars())


def _interval(project: Project, currency_code: str | None) -> dict[str, Any] | None:
    if project.account is None or project.payer_since is None:
        return None
    return {
        "organization": project.organization,
        "project": project.project,
        "account": project.account,
        "bindingId": project.binding_id,
        "currencyCode": currency_code,
        "establishedAt": format_instant(project.payer_since),
        "endedAt": None,
    }


def _pending(row: Row[Any]) -> dict[str, str]:
    return {
        "account": row.pending_account,
        "effectiveAt" if row.kind == "Scheduled" else "until": format_instant(row.due_at),
        "commandId": row.command_id,
        "commandSource": row.command_source,
    }


def _balance(account: Account) -> dict[str, str] | None:
    balance = account.balance
    if balance is None:
        return None
    return {
        "outstanding": format_decimal(balance.outstanding),
        "currencyCode": balance.currency_code,
        "asOf": format_instant(balance.as_of),
    }


_STATE = TypeAdapter(AccountState)
_PROJECT = text(
    f"""
    SELECT {", ".join(f"projects.{name}" for name in PROJECT_TYPES)}, accounts.currency_code, pending.kind,
        pending.account AS pending_account, pending.due_at, pending.origin ->> 'caused_by' AS command_id,
        pending.source AS command_source
    FROM projects
    LEFT JOIN accounts ON accounts.organization = projects.organization AND accounts.account = projects.account
    LEFT JOIN pending_bindings AS pending
        ON pending.organization = projects.organization AND pending.project = projects.project
    WHERE projects.organization = :organization AND projects.project = :project ORDER BY pending.number
    """
)
_TIMELINE = text(
    f"""
    SELECT {columns(BINDING_TYPES)} FROM bindings
    WHERE organization = :organization AND project = :project ORDER BY number
    """
)
_ACCOUNT = text(
    f"""
    SELECT {columns(ACCOUNT_TYPES)}, (
        SELECT count(*) FROM projects
        WHERE projects.organization = accounts.organization AND projects.account = accounts.account
    ) AS projects
    FROM accounts WHERE organization = :organization AND account = :account
    """
)
_HISTORY = text(
    """
    SELECT previous_phase, phase, reason, message, "by", caused_by, entered_at
    FROM account_phases WHERE organization = :organization AND account = :account ORDER BY number
    """
)
_PROJECTS_OF_ACCOUNT = text(
    """
    SELECT project FROM projects
    WHERE organization = :organization AND account = :account ORDER BY project
    """
)
_RESULTS = text(
    """
    SELECT log.value FROM inbox JOIN log USING (shard, position)
    WHERE inbox.organization = :organization AND inbox.command_id = :command_id
        AND (CAST(:source AS text) IS NULL OR inbox.source = :source)
    ORDER BY inbox.source
    """
)
