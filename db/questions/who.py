"""Who pays for a project: asked so often, also from shells, that it needs only the driver."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from db.address import DatabaseUnreachable, connect_arguments

_COMMAND_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A binding that is to begin at `effective_at`, and the command that asked for it."""

    account: str
    effective_at: datetime
    command_id: str
    command_source: str


@dataclass(frozen=True, slots=True)
class PayerAnswer:
    """The account that pays, or None, as of `as_of` on the database's clock.

    `is_known` is False for a project, or an organization, that was never reported.
    """

    account: str | None
    is_known: bool
    is_organization_known: bool
    as_of: datetime
    scheduled: Scheduled | None


async def who_pays(database_url: str, organization: str, project: str, at: datetime | None = None) -> PayerAnswer:
    """Return who pays for a project now, or paid at an instant, on a connection of its own.

    Raises BadAddress, DatabaseUnreachable and the errors of asyncpg.
    """
    try:
        connection = await asyncpg.connect(**connect_arguments(database_url), command_timeout=_COMMAND_SECONDS)
    except OSError as error:
        raise DatabaseUnreachable(str(error) or type(error).__name__) from error
    try:
        row = await connection.fetchrow(WHO_PAYS, organization, project, at)
    finally:
        await connection.close()
    scheduled = Scheduled(row["scheduled_account"], row["due_at"], row["command_id"], row["command_source"])
    return PayerAnswer(
        account=row["account"],
        is_known=row["is_known"],
        is_organization_known=row["is_organization_known"],
        as_of=row["as_of"],
        scheduled=scheduled if scheduled.account else None,
    )


WHO_PAYS = """
    SELECT
        clock_timestamp() AS as_of,
        -- In the order of the key, so that it finds one by it.
        (SELECT project FROM projects WHERE organization = $1 ORDER BY organization, project LIMIT 1) IS NOT NULL
            AS is_organization_known,
        found.project IS NOT NULL AS is_known,
        CASE WHEN CAST($3 AS timestamptz) IS NULL THEN found.account ELSE (
            SELECT account FROM bindings WHERE organization = $1 AND project = $2 AND from_instant <= $3
            ORDER BY number DESC LIMIT 1
        ) END AS account,
        pending.account AS scheduled_account, pending.due_at,
        pending.origin ->> 'caused_by' AS command_id, pending.source AS command_source
    FROM (VALUES (1)) AS asked (once)
    LEFT JOIN projects AS found ON found.organization = $1 AND found.project = $2
    LEFT JOIN pending_bindings AS pending
        ON pending.organization = $1 AND pending.project = $2 AND pending.kind = 'Scheduled'
"""
"""One statement for a consistent answer; its parameters are the organization, the project, and the instant or null."""
