"""Who asked for what, with which role and by whose word, and what became of it: every command, the refused ones too."""

from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import fetch
from db.history import first_kept, last_before
from db.questions.pages import After, Page, page_of
from db.questions.snapshots import Snapshot
from schemas.people import person_of

_BEYOND = 2**63 - 1
_TOLD = ("commandType", "commandId", "commandSource", "dryRun", "outcome", "account", "project")


async def asked(
    connection: AsyncConnection,
    known: Snapshot,
    organization: str,
    *,
    by: str | None = None,
    since: datetime | None = None,
    limit: int,
    after: After | None = None,
) -> Page:
    """Return a page of the commands of an organization, newest first, with who asked; only those `by` one person.

    A person is one in every spelling. `since` is an instant from which on, itself included, they were answered. Each
    has `person` (as the token has it, else None), `issuer`, `roles` (by which it was allowed), the members of its
    result that name it, `reasons`, `eventId` and `time`. The key is `(position,)`, the event's. Commands that are older
    than what the log keeps of this have no issuer and no roles, and are not found by a person.
    """
    (before,) = after or (_BEYOND,)
    rows = await fetch(
        connection,
        asked_statement(is_by_person=by is not None),
        organization=organization,
        first=0 if since is None else await _before(connection, known, since),
        before=before,
        row_limit=limit + 1,
        **({} if by is None else {"person": person_of(by)}),
    )
    return page_of(rows, limit, _item, "position")


@cache
def asked_statement(*, is_by_person: bool) -> TextClause:
    """Return the statement for the commands of everybody, or of one `:person`."""
    of_whom = "asked IS NOT NULL AND asked ->> 'person' = :person" if is_by_person else "topic = 'command-results'"
    return text(
        f"""
        SELECT log.position, log.value, CAST(log.asked AS text) AS asked FROM log
        WHERE boundary = :organization AND {of_whom} AND log.position > :first AND log.position < :before
        ORDER BY log.position DESC LIMIT :row_limit
        """
    )


async def _before(connection: AsyncConnection, known: Snapshot, since: datetime) -> int:
    """Return the last position before an instant."""
    kept, _ = (await first_kept(connection))[known.shard]
    return (await last_before(connection, since, {known.shard: (kept - 1, known.position)}))[known.shard]


def _item(row: Any) -> dict[str, Any]:
    event = orjson.loads(row["value"])
    data, who = event["data"], orjson.loads(row["asked"] or b"{}")
    return {
        "person": event.get("authid") or who.get("person"),
        "issuer": who.get("issuer"),
        "roles": who.get("roles", []),
        **{name: data[name] for name in _TOLD if name in data},
        "reasons": [broken["reason"] for broken in data["violations"]],
        "eventId": event["id"],
        "time": event["time"],
    }
