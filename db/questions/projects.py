"""Questions about projects."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import fetch
from db.questions.shapes import interval
from schemas.instants import format_instant


async def project(connection: AsyncConnection, organization: str, project: str) -> dict[str, Any] | None:
    """Return a project; None if it was never reported. One that is deleted is returned.

    `organization`, `project`, `state`, `version`, `uid?`, `displayName?`; `payer`, an interval, or None; `scheduled`,
    with `account`, `effectiveAt`, `commandId`, `commandSource`, or None; `waiting`, a list of `account`, `until`,
    `commandId`, `commandSource`, in order.
    """
    rows = await fetch(connection, _PROJECT, organization=organization, project=project)
    if not rows:
        return None
    pending = [(row["kind"], _pending(row)) for row in rows if row["kind"] is not None]
    return described(organization, rows[0]) | {
        "payer": _payer(organization, rows[0]),
        "scheduled": next((one for kind, one in pending if kind == "Scheduled"), None),
        "waiting": [one for kind, one in pending if kind == "Waiting"],
    }


def described(organization: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was reported of a project: `organization`, `project`, `state`, `version`, `uid?`, `displayName?`."""
    optional = {"uid": row["uid"], "displayName": row["display_name"]}
    return {
        "organization": organization,
        "project": row["project"],
        "state": row["state"],
        "version": row["version"],
        **{name: value for name, value in optional.items() if value is not None},
    }


def _payer(organization: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["account"] is None:
        return None
    return interval(
        organization, row["project"], row["account"], row["number"], row["legacy_id"], row["currency_code"],
        row["payer_since"], None,
    )  # fmt: skip


def _pending(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "account": row["pending_account"],
        "effectiveAt" if row["kind"] == "Scheduled" else "until": format_instant(row["due_at"]),
        "commandId": row["command_id"],
        "commandSource": row["command_source"],
    }


_PROJECT = text(
    """
    SELECT projects.project, projects.state, projects.version, projects.uid, projects.display_name, projects.number,
        projects.account, projects.payer_since, projects.legacy_id, accounts.currency_code, pending.kind,
        pending.account AS pending_account, pending.due_at, pending.origin ->> 'caused_by' AS command_id,
        pending.source AS command_source
    FROM projects
    LEFT JOIN accounts ON accounts.organization = projects.organization AND accounts.account = projects.account
    LEFT JOIN pending_bindings AS pending
        ON pending.organization = projects.organization AND pending.project = projects.project
    WHERE projects.organization = :organization AND projects.project = :project ORDER BY pending.number
    """
)
