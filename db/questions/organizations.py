"""The question about an organization."""

from typing import Any

from db.driver import Connection, Statement, fetch
from db.questions.reached import spans_of
from domain.reach import EVERYTHING, Reach
from schemas.events import Phase


async def organization(connection: Connection, organization: str, reach: Reach = EVERYTHING) -> dict[str, Any]:
    """Return `organization`, `defaultAccount` (or None), and counts: `accounts`, `projects`, `unbound`.

    Archived accounts count; deleted projects do not. Anything out of reach does not count, and a default account out of
    reach is None. For an unknown organization all counts are 0.
    """
    if reach.is_everything:
        (row,) = await fetch(connection, _ORGANIZATION, organization=organization)
    else:
        of_accounts, of_projects = spans_of(reach.accounts), spans_of(reach.projects)
        (row,) = await fetch(
            connection,
            _REACHED,
            organization=organization,
            phases=list(Phase),
            account_lows=of_accounts.lows,
            account_highs=of_accounts.highs,
            project_lows=of_projects.lows,
            project_highs=of_projects.highs,
        )
    default = row["default_account"]
    return {
        "organization": organization,
        "defaultAccount": default if default is not None and reach.sees_account(default) else None,
        "accounts": row["accounts"],
        "projects": row["bound"] + row["unbound"],
        "unbound": row["unbound"],
    }


# Deleted projects have no payer.
_ORGANIZATION = Statement(
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
_REACHED = Statement(
    """
    SELECT (SELECT default_account FROM organizations WHERE organization = :organization) AS default_account,
        (
            SELECT count(*) FROM unnest(CAST(:phases AS text[])) AS asked(phase)
            CROSS JOIN unnest(CAST(:account_lows AS text[]), CAST(:account_highs AS text[])) AS span(low, high)
            JOIN accounts ON organization = :organization AND accounts.phase = asked.phase
                AND account COLLATE "C" BETWEEN span.low AND span.high
        ) AS accounts, counted.bound, counted.unbound
    FROM (
        SELECT count(*) FILTER (WHERE account IS NOT NULL) AS bound,
            count(*) FILTER (WHERE account IS NULL AND state <> 'Deleted') AS unbound
        FROM unnest(CAST(:project_lows AS text[]), CAST(:project_highs AS text[])) AS span(low, high)
        JOIN projects ON organization = :organization AND project BETWEEN span.low AND span.high
    ) AS counted
    """
)
