"""Pages of projects, as Kubernetes shows them."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from db.driver import Connection, Statement, fetch
from db.questions.reached import EVERYWHERE, Reached, is_within
from db.questions.resources.keys import Key, after_key, values_of


@dataclass(frozen=True, slots=True)
class ShownProject:
    """A project's current state, and the account that pays for it, if any."""

    organization: str
    project: str
    state: str
    account: str | None
    established_at: datetime | None

    @property
    def key(self) -> Key:
        """The key after which the next page continues."""
        return self.organization, self.project, 0


async def projects_page(
    connection: Connection,
    organization: str | None,
    after: Key,
    limit: int,
    project: str | None = None,
    reached: Reached = EVERYWHERE,
) -> list[ShownProject]:
    """Return projects by name, or only the named one; those deleted or out of reach are left out."""
    if reached.is_everything:
        statement = _projects(organization is not None, project is not None)
    elif organization is not None and project is None:
        statement = _REACHED_PROJECTS
    else:
        statement = _projects(organization is not None, project is not None, f" AND {is_within('project', 'project')}")
    values = values_of(organization, after) | reached.values()
    rows = await fetch(connection, statement, **values, project=project, row_limit=limit)
    return [ShownProject(*row.values()) for row in rows]


@cache
def _projects(is_one: bool, is_named: bool, within: str = "") -> Statement:
    return Statement(
        f"""
        SELECT organization, project, state, account, payer_since
        FROM projects WHERE {after_key(is_one, "project")} AND state <> 'Deleted'
            {"AND project = :project" if is_named else ""} {within}
        ORDER BY {"project" if is_one else "organization, project"} LIMIT :row_limit
        """
    )


_REACHED_PROJECTS = Statement(
    """
    SELECT found.* FROM unnest(CAST(:project_lows AS text[]), CAST(:project_highs AS text[])) AS span(low, high)
    CROSS JOIN LATERAL (
        SELECT organization, project, state, account, payer_since FROM projects
        WHERE organization = :organization AND project > :after_name AND project BETWEEN span.low AND span.high
            AND state <> 'Deleted'
        ORDER BY project LIMIT :row_limit
    ) AS found
    ORDER BY found.project LIMIT :row_limit
    """
)
