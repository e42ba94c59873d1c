"""Queries for watches: the ends of the log, and the state at a position of it."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from db.driver import Connection, Statement, fetch

_COUNTED_AT_ONCE = 100_000
"""How many positions one statement searches for changes of payer: few enough to keep it short."""


@dataclass(frozen=True, slots=True)
class EarlierAccount:
    """An account at a position: the event with its state (None before its creation), and when it was created.

    If that event is archived, `phase` is its phase then, and `later` the next event with its state, if any.
    """

    value: bytes | None
    created_at: datetime
    phase: str | None = None
    later: bytes | None = None


async def positions(connection: Connection) -> dict[int, int]:
    """Return the last position of each shard."""
    return {row["shard"]: row["position"] for row in await fetch(connection, _POSITIONS)}


async def is_kept(connection: Connection, shard: int, position: int) -> bool:
    """Return whether all rows after a position of the log are still in the table."""
    return bool((await fetch(connection, _IS_KEPT, shard=shard, position=position))[0]["is_kept"])


async def accounts_at(
    connection: Connection, organization: str, accounts: Collection[str], position: int
) -> dict[str, EarlierAccount]:
    """Return existing accounts as they were at a position."""
    values = {"organization": organization, "position": position}
    rows = await fetch(connection, _ACCOUNTS_AT, **values, accounts=list(accounts))
    missing = [row["account"] for row in rows if row["value"] is None]
    archived = await fetch(connection, ARCHIVED_AT, **values, accounts=missing) if missing else []
    of_archived = {row["account"]: (row["phase"], row["later"]) for row in archived}
    return {
        row["account"]: EarlierAccount(row["value"], row["created_at"], *of_archived.get(row["account"], ()))
        for row in rows
    }


async def profile_kinds(connection: Connection, organization: str, profiles: Collection[str]) -> dict[str, str]:
    """Return the kinds of payment profiles; unknown profiles are left out."""
    rows = await fetch(connection, _KINDS, organization=organization, profiles=list(profiles))
    return {row["payment_profile"]: row["kind"] for row in rows}


async def linked_projects_at(connection: Connection, organization: str, position: int, until: int) -> dict[str, int]:
    """Return how many projects accounts paid for at a position, for all accounts with an event after it.

    `until` is the head of the log in the transaction's snapshot. The current counts are corrected by the changes since
    the position.
    """
    gained: Counter[str] = Counter()
    for start in range(position, until, _COUNTED_AT_ONCE):
        end = min(start + _COUNTED_AT_ONCE, until)
        rows = await fetch(connection, _CHANGES, organization=organization, position=start, until=end)
        for row in rows:
            gained[row["account"]] += row["gained"]
    rows = await fetch(connection, _LINKED, organization=organization, accounts=list(gained))
    return {row["account"]: row["linked"] - gained[row["account"]] for row in rows}


_POSITIONS = Statement("SELECT shard, position FROM shards")
_IS_KEPT = Statement(
    """
    SELECT position <= :position OR EXISTS (
        SELECT FROM log WHERE log.shard = CAST(:shard AS smallint) AND log.position = CAST(:position AS bigint) + 1
    ) AS is_kept
    FROM shards WHERE shard = :shard
    """
)
# Not AccountPhaseChanged. Attributes come first, so no text of a sender can precede the type.
_HAS_STATE = """
    boundary = CAST(:organization AS text) AND topic = 'accounts'
        AND key = convert_to(CAST(:organization AS text) || '/' || named.account, 'UTF8')
        AND value LIKE CAST('{"specversion":"1.0",%,"type":"io.milo.billing.AccountChanged.v1",%' AS bytea)
"""
_ACCOUNTS_AT = Statement(
    f"""
    SELECT named.account, first.entered_at AS created_at, earlier.value
    FROM unnest(CAST(:accounts AS text[])) AS named(account)
    JOIN account_phases AS first
        ON first.organization = :organization AND first.account = named.account AND first.number = 1
    LEFT JOIN LATERAL (
        SELECT value FROM log WHERE {_HAS_STATE} AND position <= :position
        ORDER BY position DESC LIMIT 1
    ) AS earlier ON true
    """
)
ARCHIVED_AT = Statement(
    f"""
    SELECT named.account, entered.phase, later.value AS later
    FROM unnest(CAST(:accounts AS text[])) AS named(account)
    JOIN account_phases AS first
        ON first.organization = :organization AND first.account = named.account AND first.number = 1
    CROSS JOIN LATERAL (
        SELECT phase FROM account_phases
        WHERE organization = :organization AND account = named.account AND (position IS NULL OR position <= :position)
        ORDER BY organization, account, number DESC LIMIT 1
    ) AS entered
    LEFT JOIN LATERAL (
        SELECT value FROM log WHERE {_HAS_STATE} AND position > :position
        ORDER BY position LIMIT 1
    ) AS later ON true
    WHERE NOT EXISTS (SELECT FROM log WHERE log.shard = first.shard AND log.position = first.position)
    """
)
"""Accounts whose state at a position is in no event of the table, because they were created by archived events."""
_KINDS = Statement(
    """
    SELECT payment_profile, kind FROM payment_profiles
    WHERE organization = :organization AND payment_profile = ANY(CAST(:profiles AS text[]))
    """
)
_CHANGES = Statement(
    """
    WITH event AS MATERIALIZED (
        SELECT key, CASE WHEN topic = 'bindings' THEN CAST(convert_from(value, 'UTF8') AS json) -> 'data' END AS data
        FROM log
        WHERE boundary = :organization AND position > :position AND position <= :until
            AND topic IN ('accounts', 'bindings')
    ), change(account, gained) AS (
        SELECT data -> 'current' ->> 'account', 1 FROM event
        UNION ALL SELECT data -> 'previous' ->> 'account', -1 FROM event
        UNION ALL SELECT split_part(convert_from(key, 'UTF8'), '/', 2), 0 FROM event WHERE data IS NULL
    )
    SELECT account, sum(gained) AS gained FROM change WHERE account IS NOT NULL GROUP BY account
    """
)
_LINKED = Statement(
    """
    SELECT named.account, (
        SELECT count(*) FROM projects
        WHERE projects.organization = :organization AND projects.account = named.account
    ) AS linked
    FROM unnest(CAST(:accounts AS text[])) AS named(account)
    """
)
