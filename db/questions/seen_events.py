"""The events that a caller sees: all, or those about projects and accounts within reach."""

import time
from collections.abc import Collection

from db.driver import Connection, Statement, fetch
from db.questions.events import TOPICS, WANTED, PublishedEvent, events, of_types
from db.questions.reached import is_seen, reached_values
from domain.reach import Reach

_LOOKED_AT = 20_000
"""How many positions of a shard one statement searches."""
_LOOKING_SECONDS = 2.0


async def seen_events(
    connection: Connection,
    organization: str,
    reach: Reach,
    *,
    after: int,
    until: int,
    limit: int,
    types: Collection[str] = TOPICS.keys(),
) -> tuple[list[PublishedEvent], int]:
    """Return the events within reach, as `events` does, and the position up to which a page is complete if not full.

    It is `until`, unless the events are so rare that the search ran out of time.
    """
    if reach.is_everything:
        found = await events(connection, organization, after=after, until=until, limit=limit, types=types)
        return found, until
    values = {"organization": organization, **of_types(types), **reached_values(reach)}
    found = []
    patience = time.monotonic() + _LOOKING_SECONDS
    while after < until and len(found) < limit and time.monotonic() < patience:
        end = min(after + _LOOKED_AT, until)
        rows = await fetch(connection, _SEEN, **values, after=after, until=end, row_limit=limit - len(found))
        found += [PublishedEvent(row["position"], row["value"]) for row in rows]
        after = end
    return found, after


# The names are in an event's data; a change of payer has both the previous and the next account.
_SEEN = Statement(
    f"""
    SELECT log.position, log.value FROM log
    CROSS JOIN LATERAL (SELECT CAST(convert_from(log.value, 'UTF8') AS jsonb) -> 'data' AS data OFFSET 0) AS said
    CROSS JOIN LATERAL (
        SELECT data ->> 'project' AS project, data ->> 'account' AS account,
            data -> 'current' ->> 'account' AS current, data -> 'previous' ->> 'account' AS previous OFFSET 0
    ) AS named
    WHERE {WANTED} AND {is_seen("named.project", "named.account", "named.current", "named.previous")}
    ORDER BY log.position LIMIT :row_limit
    """
)
