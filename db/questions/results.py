"""What became of commands: the latest result of each id that was claimed."""

from functools import cache
from typing import Any

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import fetch
from db.questions.pages import After, Items, Page, page_of
from schemas.results import Outcome

_BEYOND = 2**63 - 1


async def results_of_command(
    connection: AsyncConnection, organization: str, command_id: str, source: str | None = None
) -> Items:
    """Return the latest result of the command with an id, one for each source that sent it, or for one source.

    Each is the data of `CommandCompleted`, with `eventId` and `time`.
    """
    return [_result(value) for value in await published_results(connection, organization, command_id, source)]


async def latest_results(
    connection: AsyncConnection,
    organization: str,
    *,
    project: str | None = None,
    account: str | None = None,
    outcome: Outcome | None = None,
    limit: int,
    after: After | None = None,
) -> Page:
    """Return a page of the latest results of commands, newest first, of those that name a project or an account.

    Items are as of `results_of_command`. The key is `(position,)`, the event's.
    """
    (position,) = after or (_BEYOND,)
    named = {name: value for name, value in {"project": project, "account": account}.items() if value is not None}
    rows = await fetch(
        connection,
        results_statement(*named),
        **named,
        organization=organization,
        outcomes=list(Outcome) if outcome is None else [outcome],
        before=position,
        row_limit=limit + 1,
    )
    return page_of(rows, limit, lambda row: _result(row["value"]), "position")


async def published_results(
    connection: AsyncConnection, organization: str, command_id: str, source: str | None = None
) -> list[bytes]:
    """Return the results of the commands with an id, of one source or of all: the events as they were published."""
    values = {"organization": organization, "command_id": command_id}
    if source is None:
        rows = await fetch(connection, _OF_ANY_SOURCE, **values)
    else:
        rows = await fetch(connection, _OF_SOURCE, **values, source=source)
    return [row["value"] for row in rows]


@cache
def results_statement(*named: str) -> TextClause:
    """Return the statement for the latest results that name `:project`, `:account`, or both."""
    condition = "".join(f" AND inbox.{name} = :{name}" for name in named)
    if {"project", "account"} <= set(named):
        # A project has few commands, an account may have very many: only the former leads to an index.
        condition = " AND inbox.project = :project AND inbox.account IS NOT DISTINCT FROM :account"
    return text(
        f"""
        SELECT latest.position, log.value FROM (
            SELECT found.shard, found.position
            FROM unnest(CAST(:outcomes AS text[])) AS asked(outcome) CROSS JOIN LATERAL (
                SELECT shard, position FROM inbox
                WHERE organization = :organization AND inbox.outcome = asked.outcome
                    AND position < :before {condition}
                ORDER BY position DESC LIMIT :row_limit
            ) AS found
            ORDER BY found.position DESC LIMIT :row_limit
        ) AS latest
        JOIN log ON log.shard = latest.shard AND log.position = latest.position
        ORDER BY latest.position DESC
        """
    )


def _result(value: bytes) -> dict[str, Any]:
    event = orjson.loads(value)
    data: dict[str, Any] = event["data"]
    return data | {"eventId": event["id"], "time": event["time"]}


_OF_SOURCE = text(
    """
    SELECT log.value FROM inbox JOIN log ON log.shard = inbox.shard AND log.position = inbox.position
    WHERE inbox.organization = :organization AND inbox.source = :source AND inbox.command_id = :command_id
    """
)
# From one source to the next, since the key begins with them: there are few.
_OF_ANY_SOURCE = text(
    """
    WITH RECURSIVE sources(source) AS (
        (SELECT source FROM inbox WHERE organization = :organization ORDER BY organization, source LIMIT 1)
        UNION ALL
        SELECT following.source FROM sources CROSS JOIN LATERAL (
            SELECT source FROM inbox WHERE organization = :organization AND inbox.source > sources.source
            ORDER BY organization, source LIMIT 1
        ) AS following
    )
    SELECT log.value FROM sources
    JOIN inbox ON inbox.organization = :organization AND inbox.source = sources.source
        AND inbox.command_id = :command_id
    JOIN log ON log.shard = inbox.shard AND log.position = inbox.position
    ORDER BY sources.source
    """
)
