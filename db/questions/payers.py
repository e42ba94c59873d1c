"""Who pays for a project, now or at an instant."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import fetch
from db.questions.shapes import interval
from db.questions.snapshots import Snapshot
from db.questions.who import WHO_PAYS
from schemas.instants import format_instant


async def payer(
    connection: AsyncConnection, organization: str, project: str, at: datetime | None, snapshot: Snapshot
) -> dict[str, Any] | None:
    """Return `organization`, `project`, `at`, `payer` and `settled`; None if the project was never reported.

    `payer` is the interval that holds `at` (None: the snapshot's clock), with its `endedAt`, or None where nobody pays
    then. It is settled where `at` is not after the closed instant.
    """
    instant = snapshot.now if at is None else at
    rows = await fetch(connection, _PAYER, organization=organization, project=project, at=instant)
    if not rows:
        return None
    return {
        "organization": organization,
        "project": project,
        "at": format_instant(instant),
        "payer": _held(organization, project, rows[0]),
        "settled": snapshot.is_settled(instant),
    }


async def paying_account(
    connection: AsyncConnection, organization: str, project: str, at: datetime | None = None
) -> str | None:
    """Return the account that pays for a project now, or paid at an instant; None when nobody does."""
    answer = (await connection.exec_driver_sql(WHO_PAYS, (organization, project, at))).one()
    return None if answer.account is None else str(answer.account)


def _held(organization: str, project: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["account"] is None:
        return None
    return interval(
        organization, project, row["account"], row["number"], row["legacy_id"], row["currency_code"],
        row["established_at"], row["ended_at"],
    )  # fmt: skip


# Most questions are about the last change of payer, which stands with the project: only earlier ones need `bindings`.
_PAYER = text(
    """
    SELECT held.account, held.number, held.legacy_id, accounts.currency_code, held.established_at, held.ended_at
    FROM projects
    LEFT JOIN LATERAL (
        SELECT projects.account, projects.number, projects.legacy_id, projects.payer_since AS established_at,
            CAST(NULL AS timestamptz) AS ended_at
        WHERE projects.payer_since <= :at
        UNION ALL
        SELECT past.account, past.number, past.legacy_id, past.from_instant, following.from_instant
        FROM (
            SELECT account, number, legacy_id, from_instant FROM bindings
            WHERE organization = :organization AND project = :project AND from_instant <= :at
            ORDER BY number DESC LIMIT 1
        ) AS past
        JOIN bindings AS following ON following.organization = :organization AND following.project = :project
            AND following.number = past.number + 1
        WHERE projects.payer_since > :at
    ) AS held ON true
    LEFT JOIN accounts ON accounts.organization = :organization AND accounts.account = held.account
    WHERE projects.organization = :organization AND projects.project = :project
    """
)
