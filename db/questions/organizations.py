"""The question about a whole organization."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import fetch


async def organization(connection: AsyncConnection, organization: str) -> dict[str, Any]:
    """Return `organization`, `defaultAccount` (or None), and counts: `accounts`, `projects`, `unbound`.

    Archived accounts count, deleted projects do not. Of an organization that nobody heard of all are 0.
    """
    (row,) = await fetch(connection, _ORGANIZATION, organization=organization)
    return {
        "organization": organization,
        "defaultAccount": row["default_account"],
        "accounts": row["accounts"],
        "projects": row["bound"] + row["unbound"],
        "unbound": row["unbound"],
    }


# Deleted projects have no payer.
_ORGANIZATION = text(
    """
    SELECT (SELECT default_account FROM organizations WHERE organization = :organization) AS default_account,
        (SELECT count(*) FROM accounts WHERE organization = :organization) AS accounts,
        (SELECT count(*) FROM projects WHERE organization = :organization AND account IS NOT NULL) AS bound,
        (
            SELECT count(*) FROM projects
            WHERE organization = :organization AND account IS NULL AND state <> 'Deleted'
        ) AS unbound
    """
)
