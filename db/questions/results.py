"""Results of commands: the latest result of each claimed id."""

from functools import cache
from typing import Any

import orjson

from db.driver import Connection, Statement, fetch
from db.questions.by_command_id import DIGESTS, SOURCES, digest
from db.questions.pages import After, Items, Page, page_of
from db.questions.reached import is_seen, reached_values
from db.questions.seen_results import seen_results
from domain.reach import EVERYTHING, Reach
from schemas.results import Outcome

_BEYOND = 2**63 - 1


async def results_of_command(
    connection: Connection,
    organization: str,
    command_id: str,
    source: str | None = None,
    reach: Reach = EVERYTHING,
) -> Items:
    """Return the latest result of the command with an id, for each source that sent one, or for one source.

    Each is the data of `CommandCompleted`, with `eventId` and `time`; results out of reach are left out.
    """
    return [result_of(value) for value in await published_results(connection, organization, command_id, source, reach)]


async def latest_results(
    connection: Connection,
    organization: str,
    *,
    project: str | None = None,
    account: str | None = None,
    outcome: Outcome | None = None,
    limit: int,
    after: After | None = None,
    reach: Reach = EVERYTHING,
) -> Page:
    """Return a page of commands' latest results, newest first, optionally only those that name a project or an account.

    Items are as in `results_of_command`; a project or account out of reach matches nothing. The key is `(position,)` of
    the event.
    """
    if (project is not None and not reach.sees_project(project)) or (
        account is not None and not reach.sees_account(account)
    ):
        return [], None
    (position,) = after or (_BEYOND,)
    named = {name: value for name, value in {"project": project, "account": account}.items() if value is not None}
    values: dict[str, Any] = {
        "organization": organization,
        "outcomes": list(Outcome) if outcome is None else [outcome],
        "before": position,
        "row_limit": limit + 1,
    }
    if named or reach.is_everything:
        rows = await fetch(connection, results_statement(*named), **named, **values)
    else:
        rows = await seen_results(connection, reach, **values)
    return page_of(rows, limit, lambda row: result_of(row["value"]), "position")


async def published_results(
    connection: Connection,
    organization: str,
    command_id: str,
    source: str | None = None,
    reach: Reach = EVERYTHING,
) -> list[bytes]:
    """Return the results of the commands with an id, of one source or of all: the events as they were published.

    Results out of reach are left out.
    """
    values: dict[str, Any] = {"organization": organization, "command_id": command_id}
    if source is not None:
        values["source"] = source
    if not reach.is_everything:
        values |= reached_values(reach)
    statement = command_statement(is_of_source=source is not None, is_narrow=not reach.is_everything)
    rows = await fetch(connection, statement, **values)
    return [row["value"] for row in rows]


async def has_archive(connection: Connection) -> bool:
    """Return whether a part of the log is archived (`db.questions.archived_results`)."""
    return bool((await fetch(connection, _HAS_ARCHIVE))[0]["has"])


@cache
def results_statement(*named: str) -> Statement:
    """Return the statement for the latest results that name `:project`, `:account`, or both."""
    condition = "".join(f" AND inbox.{name} = :{name}" for name in named)
    if {"project", "account"} <= set(named):
        # A project has few commands, an account may have very many: only the project should choose the index.
        condition = " AND inbox.project = :project AND inbox.account IS NOT DISTINCT FROM :account"
    return Statement(
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


@cache
def command_statement(*, is_of_source: bool, is_narrow: bool) -> Statement:
    """Return the statement for the results of a command's id, of all sources or of one."""
    seen = f" AND {is_seen('inbox.project', 'inbox.account')}" if is_narrow else ""
    project, account = (f"({_SAID} ->> '{name}')" for name in ("project", "account"))
    said = f" AND {is_seen(project, account)}" if is_narrow else ""
    return Statement((_OF_SOURCE if is_of_source else _OF_ANY_SOURCE).format(seen=seen, seen_said=said))


def result_of(value: bytes) -> dict[str, Any]:
    """Return the answer for a published result."""
    event = orjson.loads(value)
    data: dict[str, Any] = event["data"]
    return data | {"eventId": event["id"], "time": event["time"]}


# Forgotten commands are found by digest; the names they refer to are only in their results.
_FORGOTTEN = """
    SELECT {said} ->> 'commandSource' AS source, log.value
    FROM forgotten_commands AS forgotten JOIN log ON log.shard = forgotten.shard AND log.position = forgotten.position
    WHERE forgotten.digest {digest} {{seen_said}}
"""
_SAID = "(CAST(convert_from(log.value, 'UTF8') AS json) -> 'data')"
_OF_SOURCE = f"""
    SELECT log.value FROM inbox JOIN log ON log.shard = inbox.shard AND log.position = inbox.position
    WHERE inbox.organization = :organization AND inbox.source = :source AND inbox.command_id = :command_id {{seen}}
    UNION ALL
    SELECT value FROM ({_FORGOTTEN.format(said=_SAID, digest=f"= {digest(':source')}")}) AS forgotten
"""
_OF_ANY_SOURCE = f"""
    {SOURCES}
    SELECT value FROM (
        SELECT sources.source, log.value FROM sources
        JOIN inbox ON inbox.organization = :organization AND inbox.source = sources.source
            AND inbox.command_id = :command_id {{seen}}
        JOIN log ON log.shard = inbox.shard AND log.position = inbox.position
        UNION ALL
        {_FORGOTTEN.format(said=_SAID, digest=DIGESTS)}
    ) AS found
    ORDER BY source
"""
_HAS_ARCHIVE = Statement("SELECT EXISTS (SELECT FROM archived_log) AS has")
