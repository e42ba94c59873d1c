"""Who pays for each of very many projects, each at an instant: one statement, which renders the answers itself.

The server renders JSON: reading rows and rendering them here would take as long as finding them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from db.driver import Connection, Statement, fetch
from db.questions.held import HELD, HELD_COLUMNS
from db.questions.shapes import JSON_INTERVAL_MEMBERS


class Wanted(NamedTuple):
    """Questions, in columns: organization, project, instant as text (None: the snapshot's), and shard."""

    organizations: list[str]
    projects: list[str]
    instants: list[str | None]
    shards: list[int]


async def look_up(
    connection: "Connection | asyncpg.Connection[asyncpg.Record]",
    wanted: Wanted,
    now: str,
    closed: Sequence[str | None],
    separator: str,
) -> bytes:
    """Return the answers in order, as JSON in the form of docs/contract.md, section 11, joined by the separator.

    `now` is the snapshot's clock; `closed` are the closed instants of all shards by number, None if not known. All
    instants are text from `format_instant`, and all names are valid identifiers: they are inserted without escaping.
    """
    (found,) = await fetch(connection, _LOOKUP, **wanted._asdict(), now=now, closed=closed, separator=separator)
    written: bytes | None = found["answers"]
    return written or b""


_LOOKUP = Statement(
    f"""
    SELECT convert_to(string_agg(
        '{{"organization":"' || held.asked_organization || '","project":"' || held.asked_project
        || '","at":"' || held.at || '","payer":'
        || CASE WHEN held.account IS NULL THEN 'null' ELSE '{{' || {JSON_INTERVAL_MEMBERS} || '}}' END
        || ',"known":' || CASE WHEN held.project IS NULL THEN 'false' ELSE 'true' END
        || ',"settled":' || CASE WHEN held.is_settled THEN 'true' ELSE 'false' END || '}}',
        CAST(:separator AS text) ORDER BY held.place), 'UTF8') AS answers
    FROM (
        SELECT asked.place, asked.organization AS asked_organization, asked.project AS asked_project, asked.said AS at,
            asked.at <= asked.closed AS is_settled, {HELD_COLUMNS}
        FROM (
            SELECT place, organization, project, said, CAST(said AS timestamptz) AS at,
                CAST((CAST(:closed AS text[]))[shard + 1] AS timestamptz) AS closed
            FROM (
                SELECT place, organization, project, coalesce(at, :now) AS said, shard
                FROM unnest(
                    CAST(:organizations AS text[]), CAST(:projects AS text[]), CAST(:instants AS text[]),
                    CAST(:shards AS smallint[])
                )
                    WITH ORDINALITY AS each(organization, project, at, shard, place)
            ) AS sent
            OFFSET 0
        ) AS asked
        LEFT JOIN projects ON projects.organization = asked.organization AND projects.project = asked.project
        {HELD}
    ) AS held
    """
)
