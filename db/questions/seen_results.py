"""The latest results for a caller with limited reach: those that name a project or account within it."""

from collections.abc import Mapping
from typing import Any

from db.driver import Connection, Statement, fetch
from db.questions.reached import AFTER_ALL, is_seen, reached_values
from domain.reach import Reach

_LATEST = 20_000
"""How many of the latest results of each outcome are searched first."""


async def seen_results(
    connection: Connection, reach: Reach, *, row_limit: int, **values: Any
) -> list[Mapping[str, Any]]:
    """Return the results within reach, as `results_statement` does.

    Prefixes may cover very many names: if the latest results do not fill the page, results are looked up name by name.
    """
    values |= reached_values(reach) | {"row_limit": row_limit}
    if values["seen_project_prefixes"] or values["seen_account_prefixes"]:
        rows = await fetch(connection, _AMONG_LATEST, **values)
        if len(rows) == row_limit:
            return rows
    return await fetch(connection, _BY_NAME, **values)


def _names(kind: str) -> str:
    """Return the SQL for the names within reach; for a prefix, a loose index scan finds those that results name."""

    def following(name: str) -> str:
        return f"""
            SELECT {kind} AS name FROM inbox WHERE organization = :organization AND {kind} {name}
                AND {kind} < reach.prefix || '{AFTER_ALL}' ORDER BY organization, {kind} LIMIT 1
        """

    return f"""
        SELECT unnest(CAST(:seen_{kind}s AS text[])) AS name
        UNION
        SELECT named.name FROM unnest(CAST(:seen_{kind}_prefixes AS text[])) AS reach(prefix) CROSS JOIN LATERAL (
            WITH RECURSIVE each(name) AS (
                ({following(">= reach.prefix")})
                UNION ALL
                SELECT following.name FROM each
                CROSS JOIN LATERAL ({following("> each.name")}) AS following
            )
            SELECT name FROM each
        ) AS named
    """


def _by_name(kind: str) -> str:
    return f"""
        SELECT found.shard, found.position FROM ({_names(kind)}) AS named
        CROSS JOIN unnest(CAST(:outcomes AS text[])) AS asked(outcome)
        CROSS JOIN LATERAL (
            SELECT shard, position FROM inbox
            WHERE organization = :organization AND inbox.{kind} = named.name AND inbox.outcome = asked.outcome
                AND position < :before
            ORDER BY position DESC LIMIT :row_limit
        ) AS found
    """


_PAGE = """
    SELECT latest.position, log.value FROM (
        SELECT seen.shard, seen.position FROM ({seen}) AS seen ORDER BY seen.position DESC LIMIT :row_limit
    ) AS latest
    JOIN log ON log.shard = latest.shard AND log.position = latest.position
    ORDER BY latest.position DESC
"""


def among_latest(looked_at: int) -> Statement:
    """Return the statement that looks among so many of the latest results of each outcome.

    It finds none older than the oldest that it looked at of any outcome: other results of that outcome may lie between.
    """
    seen = f"""
        SELECT found.shard, found.position FROM unnest(CAST(:outcomes AS text[])) AS asked(outcome) CROSS JOIN LATERAL (
            SELECT shard, position FROM (
                SELECT shard, position, project, account FROM inbox
                WHERE organization = :organization AND inbox.outcome = asked.outcome AND position < :before
                ORDER BY position DESC LIMIT {looked_at}
            ) AS latest
            WHERE {is_seen("latest.project", "latest.account")}
            ORDER BY position DESC LIMIT :row_limit
        ) AS found
        WHERE found.position >= (
            SELECT coalesce(max(last.position), 0) FROM unnest(CAST(:outcomes AS text[])) AS asked(outcome)
            CROSS JOIN LATERAL (
                SELECT position FROM inbox
                WHERE organization = :organization AND inbox.outcome = asked.outcome AND position < :before
                ORDER BY position DESC OFFSET {looked_at - 1} LIMIT 1
            ) AS last
        )
    """
    return Statement(_PAGE.format(seen=seen))


_AMONG_LATEST = among_latest(_LATEST)
# UNION, since a result that names both a project and an account within reach is found twice.
_BY_NAME = Statement(_PAGE.format(seen=f"{_by_name('project')} UNION {_by_name('account')}"))
