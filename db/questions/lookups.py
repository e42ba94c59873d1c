"""Who pays for each of very many projects, at an instant each: one statement, which writes the answers itself.

The server writes JSON, since rows would have to be read, put together and written once more, which takes as long as
finding them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from db.questions.held import HELD, HELD_COLUMNS
from db.questions.shapes import JSON_INTERVAL_MEMBERS


class Wanted(NamedTuple):
    """Questions: for each its organization, project, instant as text (None: the snapshot's), and shard."""

    organizations: list[str]
    projects: list[str]
    instants: list[str | None]
    shards: list[int]


async def look_up(connection: Any, wanted: Wanted, now: str, closed: Sequence[str | None], separator: str) -> bytes:
    """Return the answers to questions as docs/contract.md, section 11, has them, in order, as JSON with separators.

    The connection is the driver's own, within the transaction that is the snapshot. `now` is its clock; `closed` are
    the closed instants of all shards by number, None where it is not known. All instants are text that
    `format_instant` wrote, and all names identifiers: they are written as they are.
    """
    written: bytes | None = await connection.fetchval(LOOKUP, *wanted, now, closed, separator)
    return written or b""


LOOKUP = f"""
    SELECT convert_to(string_agg(
        '{{"organization":"' || held.asked_organization || '","project":"' || held.asked_project
        || '","at":"' || held.at || '","payer":'
        || CASE WHEN held.account IS NULL THEN 'null' ELSE '{{' || {JSON_INTERVAL_MEMBERS} || '}}' END
        || ',"known":' || CASE WHEN held.project IS NULL THEN 'false' ELSE 'true' END
        || ',"settled":' || CASE WHEN held.is_settled THEN 'true' ELSE 'false' END || '}}',
        $7 ORDER BY held.place), 'UTF8')
    FROM (
        SELECT asked.place, asked.organization AS asked_organization, asked.project AS asked_project, asked.said AS at,
            asked.at <= asked.closed AS is_settled, {HELD_COLUMNS}
        FROM (
            SELECT place, organization, project, said, CAST(said AS timestamptz) AS at,
                CAST((CAST($6 AS text[]))[shard + 1] AS timestamptz) AS closed
            FROM (
                SELECT place, organization, project, coalesce(at, $5) AS said, shard
                FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS smallint[]))
                    WITH ORDINALITY AS each(organization, project, at, shard, place)
            ) AS sent
            OFFSET 0
        ) AS asked
        LEFT JOIN projects ON projects.organization = asked.organization AND projects.project = asked.project
        {HELD}
    ) AS held
"""
"""Its parameters are the columns of `Wanted`, the clock, the closed instants, and what stands between answers."""
