"""The events of an organization by position, byte for byte as they were published."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from db.driver import Connection, Statement, fetch
from db.shard_ranges import FIRST_KEPT
from schemas.message_types import type_of
from schemas.topics import Topic

TOPICS = {
    "BindingChanged": Topic.BINDINGS,
    "AccountPhaseChanged": Topic.ACCOUNTS,
    "AccountChanged": Topic.ACCOUNTS,
    "ProjectBillingNotice": Topic.NOTICES,
    "CommandCompleted": Topic.COMMAND_RESULTS,
}
"""The types of an organization's events, by short name, and the topic of each."""


class PublishedEvent(NamedTuple):
    """An event: its position in the organization's shard, and its value as published."""

    position: int
    value: bytes


async def events(
    connection: Connection,
    organization: str,
    *,
    after: int,
    until: int,
    limit: int,
    types: Collection[str] = TOPICS.keys(),
) -> list[PublishedEvent]:
    """Return the events of an organization past the position `after` and up to the snapshot's, `until`, in order.

    Fewer than `limit` means there are no more. `types` are short names. Only the organization's own rows are read.
    """
    values = {"organization": organization, **of_types(types)}
    rows = await fetch(connection, _EVENTS, **values, after=after, until=until, row_limit=limit)
    return [PublishedEvent(row["position"], row["value"]) for row in rows]


def of_types(types: Collection[str]) -> dict[str, Any]:
    """Return the values of `:topics` and `:only` in `WANTED` for the short names of types."""
    of_accounts = [name for name in types if TOPICS[name] is Topic.ACCOUNTS]
    return {
        "topics": sorted({str(TOPICS[name]) for name in types}),
        "only": f'"type":"{type_of(of_accounts[0])}"'.encode() if len(of_accounts) == 1 else None,
    }


async def first_position(connection: Connection, shards: Sequence[int]) -> int:
    """Return the first position still in the log, or else the next to be written, for an organization's shards.

    The position before it is the earliest valid `after`.
    """
    (row,) = await fetch(connection, _FIRST_POSITION, shards=shards)
    return int(row["position"])


WANTED = f"""
    log.boundary = :organization AND log.position > :after AND log.position <= :until
        AND log.topic = ANY(CAST(:topics AS text[]))
        AND (CAST(:only AS bytea) IS NULL OR log.topic <> '{Topic.ACCOUNTS}'
            OR position(CAST(:only AS bytea) IN log.value) > 0)
"""
"""The SQL condition for the wanted events.

Two types share a topic, so the type is looked for in the value; it cannot occur elsewhere in these two.
"""
_EVENTS = Statement(f"SELECT position, value FROM log WHERE {WANTED} ORDER BY log.position LIMIT :row_limit")
_FIRST_POSITION = Statement(FIRST_KEPT)
