"""Who sent which command, with which role and issuer, and its outcome: all commands, including refused ones."""

import time
from datetime import datetime
from typing import Any

import orjson

from db.driver import Connection, Statement, fetch
from db.history import first_kept, last_before
from db.questions.pages import After, Page, page_of
from db.questions.snapshots import Snapshot
from db.shard_ranges import shard_ranges
from schemas.people import person_of

_LOOKED_AT = 20_000
"""How many of an organization's events one statement searches for commands of all people."""
_LOOKING_SECONDS = 2.0
_BEYOND = 2**63 - 1
_RESULT_MEMBERS = ("commandType", "commandId", "commandSource", "dryRun", "outcome", "account", "project")


async def asked(
    connection: Connection,
    known: Snapshot,
    organization: str,
    *,
    by: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int,
    after: After | None = None,
) -> Page:
    """Return a page of an organization's commands, newest first, with who asked; with `by`, only those of one person.

    All spellings of a person match. `since` (inclusive) and `until` (exclusive) bound the instant of the answer. Each
    item has `person` (as in the token, else None), `issuer`, `roles` (those that allowed it), the members of its result
    that identify it, `reasons`, `eventId` and `time`. The key is `(position,)`, an event's. Commands from before the
    log recorded this have no issuer and no roles, and are not found by person.

    Commands may be rare among an organization's events: without `by`, a page with at least one item ends once the
    search has taken long enough.
    """
    first, before = await _positions(connection, organization, known, since, until)
    values: dict[str, Any] = {
        "organization": organization,
        "first": first,
        "before": min(before, after[0] if after else _BEYOND),
        "row_limit": limit + 1,
    }
    if by is not None:
        rows = await fetch(connection, OF_PERSON, **values, person=person_of(by))
        return page_of(rows, limit, _item, "position")
    found: list[Any] = []
    patience = time.monotonic() + _LOOKING_SECONDS
    while True:
        found += await fetch(connection, OF_EVERYBODY, **values, looked_at=_LOOKED_AT)
        is_full = len(found) > limit
        last = [] if is_full else await fetch(connection, LAST_LOOKED_AT, **values, others=_LOOKED_AT - 1)
        if not last:
            return page_of(found, limit, _item, "position")
        values |= {"before": last[0]["position"], "row_limit": limit + 1 - len(found)}
        if found and time.monotonic() > patience:
            return [_item(row) for row in found], (values["before"],)


async def _positions(
    connection: Connection, organization: str, known: Snapshot, since: datetime | None, until: datetime | None
) -> tuple[int, int]:
    """Return the positions, both exclusive, between which the events of a period are."""
    if since is None and until is None:
        return 0, _BEYOND
    kept, ranges = await first_kept(connection), await shard_ranges(connection)
    within = {}
    for shard in ranges.shards_of(organization):
        end = ranges.of(shard).end_of(shard)
        within[shard] = kept[shard][0] - 1, known.position if end is None else end

    async def last(instant: datetime) -> int:
        found = await last_before(connection, instant, within)
        # Positions rise from one range to the next. A shard without earlier rows returns the start of its range.
        return max(
            (position for shard, position in found.items() if position > within[shard][0]),
            default=min(after for after, _ in within.values()),
        )

    return 0 if since is None else await last(since), _BEYOND if until is None else await last(until) + 1


def _item(row: Any) -> dict[str, Any]:
    event = orjson.loads(row["value"])
    data, who = event["data"], orjson.loads(row["asked"] or b"{}")
    return {
        "person": event.get("authid") or who.get("person"),
        "issuer": who.get("issuer"),
        "roles": who.get("roles", []),
        **{name: data[name] for name in _RESULT_MEMBERS if name in data},
        "reasons": [broken["reason"] for broken in data["violations"]],
        "eventId": event["id"],
        "time": event["time"],
    }


_EVENTS = "boundary = :organization AND log.position > :first AND log.position < :before"
OF_PERSON = Statement(
    f"""
    SELECT log.position, log.value, CAST(log.asked AS text) AS asked FROM log
    WHERE {_EVENTS} AND asked IS NOT NULL AND asked ->> 'person' = :person
    ORDER BY log.position DESC LIMIT :row_limit
    """
)
"""The commands of a `:person`, in the normalized form that is compared."""
OF_EVERYBODY = Statement(
    f"""
    SELECT latest.position, latest.value, CAST(latest.asked AS text) AS asked FROM (
        SELECT log.position, log.topic, log.value, log.asked FROM log WHERE {_EVENTS}
        ORDER BY log.position DESC LIMIT :looked_at
    ) AS latest
    WHERE latest.topic = 'command-results' ORDER BY latest.position DESC LIMIT :row_limit
    """
)
"""The commands of all people, among the latest `:looked_at` events."""
LAST_LOOKED_AT = Statement(
    f"SELECT log.position FROM log WHERE {_EVENTS} ORDER BY log.position DESC OFFSET :others LIMIT 1"
)
"""The last event that `OF_EVERYBODY` looks at, if there may be more."""
