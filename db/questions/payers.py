"""Who pays for a project, now or at an instant."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import fetch
from db.placing import place_of
from db.questions.held import HELD, HELD_COLUMNS, held_interval
from db.questions.snapshots import SNAPSHOTS, Snapshot
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
    return _described(organization, project, instant, rows[0], snapshot) if rows else None


async def payer_at_once(
    connection: AsyncConnection, shard: int, organization: str, project: str, at: datetime | None
) -> tuple[dict[str, Any] | None, Snapshot]:
    """Return what `payer` does, and the snapshot of the organization's shard that it is of: one statement for both.

    It needs no transaction, since a statement is a snapshot: of all questions this one is asked most.
    """
    (row,) = await fetch(connection, _PAYER_AT_ONCE, shards=[shard], organization=organization, project=project, at=at)
    snapshot = Snapshot(row["shard"], row["position"], row["closed"], row["now"])
    if row["project"] is None:
        return None, snapshot
    return _described(organization, project, snapshot.now if at is None else at, row, snapshot), snapshot


async def paying_account(
    connection: AsyncConnection, organization: str, project: str, at: datetime | None = None
) -> str | None:
    """Return the account that pays for a project now, or paid at an instant; None when nobody does."""
    answer = (await connection.exec_driver_sql(WHO_PAYS, (organization, project, at, place_of(organization)))).one()
    return None if answer.account is None else str(answer.account)


def _described(
    organization: str, project: str, at: datetime, row: Mapping[str, Any], snapshot: Snapshot
) -> dict[str, Any]:
    return {
        "organization": organization,
        "project": project,
        "at": format_instant(at),
        "payer": held_interval(row),
        "settled": snapshot.is_settled(at),
    }


_PAYER = text(
    f"""
    SELECT {HELD_COLUMNS}
    FROM (VALUES (CAST(:at AS timestamptz))) AS asked(at)
    JOIN projects ON projects.organization = :organization AND projects.project = :project
    {HELD}
    """
)
_PAYER_AT_ONCE = text(
    f"""
    SELECT snapshot.*, {HELD_COLUMNS}
    FROM ({SNAPSHOTS}) AS snapshot
    CROSS JOIN LATERAL (SELECT coalesce(CAST(:at AS timestamptz), snapshot.now) AS at) AS asked
    LEFT JOIN projects ON projects.organization = :organization AND projects.project = :project
    {HELD}
    """
)
