"""Deletes what retention no longer keeps, in small transactions that block no other process (docs/decisions/0036)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.dead_letter_actions import DISCARDED, ERASED, REDRIVEN
from db.driver import fetch
from schemas.results import FINAL_OUTCOMES


async def organizations_after(connection: AsyncConnection, name: str, limit: int) -> list[str]:
    """Return the next organizations after a name that have commands in `inbox`, in the database's collation."""
    return [row["organization"] for row in await fetch(connection, _ORGANIZATIONS, name=name, row_limit=limit)]


async def forget_commands(
    connection: AsyncConnection, places: Mapping[str, int], until: Mapping[int, int], limit: int
) -> int:
    """Forget up to `limit` commands of organizations, and return how many; only digests of id and content remain.

    `places` gives each organization's shard; `until` gives, for each shard, the position up to which results may be
    forgotten. A command that waits for its final result is kept. Locked rows are skipped until a later call.
    """
    rows = await fetch(
        connection,
        _FORGET,
        names=list(places),
        positions=[until[shard] for shard in places.values()],
        shards=list(until),
        bounds=list(until.values()),
        row_limit=limit,
    )
    return int(rows[0]["forgotten"])


async def has_places(connection: AsyncConnection) -> bool:
    """Return whether any places of handled records are stored."""
    (row,) = await fetch(connection, text("SELECT EXISTS (SELECT FROM handled_records) AS any"))
    return bool(row["any"])


async def forget_places(connection: AsyncConnection, beginnings: Mapping[tuple[str, int], int], limit: int) -> int:
    """Forget up to `limit` places of handled records, and return how many.

    `beginnings` gives the first offset that each partition (topic, number) still holds: records before it are never
    read again.
    """
    rows = await fetch(
        connection,
        _FORGET_PLACES,
        topics=[topic for topic, _ in beginnings],
        partitions=[partition for _, partition in beginnings],
        beginnings=list(beginnings.values()),
        row_limit=limit,
    )
    return int(rows[0]["forgotten"])


@dataclass(frozen=True, slots=True)
class ForgottenLetters:
    """The outcome of `forget_letters`: the number of the `last` dead letter examined (None: there was none), how many
    were `erased`, and the numbers of those that may be deleted, since the archive has their events.
    """

    last: int | None
    erased: int
    may_go: Sequence[int]


async def forget_letters(connection: AsyncConnection, after: int, before: datetime, limit: int) -> ForgottenLetters:
    """Examine the next `limit` dead letters after a number; erase those redriven or discarded before an instant.

    One that waits, or whose redriven record no worker has read yet, is kept complete.
    """
    (row,) = await fetch(connection, _FORGET_LETTERS, after=after, before=before, row_limit=limit)
    return ForgottenLetters(row["last"], int(row["erased"]), row["may_go"])


async def may_let_letters_go(connection: AsyncConnection) -> bool:
    """Return whether this database role may delete dead letters."""
    return bool((await fetch(connection, _MAY_LET_GO))[0]["may"])


async def let_letters_go(
    connection: AsyncConnection, numbers: Sequence[int], beginnings: Mapping[tuple[str, int], int]
) -> int:
    """Delete dead letters and the actions on them, and return how many.

    `beginnings` gives the first offset that each partition (topic, number) still holds. While a partition holds a
    redriven record, its dead letter stays, since duplicates are recognized by its id. The database function itself
    checks whether the others may be deleted.
    """
    rows = await fetch(
        connection,
        _LET_GO,
        numbers=list(numbers),
        topics=[topic for topic, _ in beginnings],
        partitions=[partition for _, partition in beginnings],
        beginnings=list(beginnings.values()),
    )
    return int(rows[0]["gone"])


# A loose index scan: from one organization to the next, since the primary key begins with them.
_ORGANIZATIONS = text(
    """
    WITH RECURSIVE named(organization) AS (
        (SELECT organization FROM inbox WHERE organization > :name ORDER BY organization LIMIT 1)
        UNION ALL
        SELECT following.organization FROM named CROSS JOIN LATERAL (
            SELECT inbox.organization FROM inbox WHERE inbox.organization > named.organization
            ORDER BY inbox.organization LIMIT 1
        ) AS following
    )
    SELECT organization FROM named LIMIT :row_limit
    """
)
_FINAL = ", ".join(f"'{outcome}'" for outcome in FINAL_OUTCOMES)
# Rows that an earlier version left without an outcome may still be waiting, and stay.
_FORGET = text(
    f"""
    WITH gone AS (
        DELETE FROM inbox USING (
            SELECT found.organization, found.source, found.command_id
            FROM unnest(CAST(:names AS text[]), CAST(:positions AS bigint[])) AS named(organization, until)
            CROSS JOIN LATERAL (
                SELECT organization, source, command_id FROM inbox
                JOIN unnest(CAST(:shards AS smallint[]), CAST(:bounds AS bigint[])) AS bound(shard, until)
                    ON bound.shard = inbox.shard
                WHERE inbox.organization = named.organization AND inbox.outcome = ANY(ARRAY[{_FINAL}])
                    -- Positions rise from an organization's former shards to its present one.
                    AND inbox.position <= named.until AND inbox.position <= bound.until
                LIMIT :row_limit FOR UPDATE OF inbox SKIP LOCKED
            ) AS found LIMIT :row_limit
        ) AS old
        WHERE (inbox.organization, inbox.source, inbox.command_id) = (old.organization, old.source, old.command_id)
        RETURNING inbox.organization, inbox.source, inbox.command_id, inbox.fingerprint, inbox.shard, inbox.position
    ), kept AS (
        INSERT INTO forgotten_commands (position, shard, digest, fingerprint)
        SELECT position, shard, command_digest(organization, source, command_id), substr(fingerprint, 1, 8) FROM gone
        RETURNING 1
    )
    SELECT count(*) AS forgotten FROM kept
    """
)
_FORGET_PLACES = text(
    """
    WITH gone AS (
        DELETE FROM handled_records AS handled USING (
            SELECT found.topic, found.partition, found."offset", found."timestamp"
            FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:beginnings AS bigint[]))
                AS named(topic, partition, beginning)
            CROSS JOIN LATERAL (
                SELECT topic, partition, "offset", "timestamp" FROM handled_records AS old
                WHERE (old.topic, old.partition) = (named.topic, named.partition) AND old."offset" < named.beginning
                LIMIT :row_limit FOR UPDATE SKIP LOCKED
            ) AS found LIMIT :row_limit
        ) AS old
        WHERE (handled.topic, handled.partition, handled."offset", handled."timestamp")
            = (old.topic, old.partition, old."offset", old."timestamp")
        RETURNING 1
    )
    SELECT count(*) AS forgotten FROM gone
    """
)
# Until a worker has read a redriven record, it is recognized by its content, which must stay.
_FORGET_LETTERS = text(
    f"""
    WITH looked AS (
        SELECT number FROM dead_letters WHERE number > :after ORDER BY number LIMIT :row_limit FOR UPDATE SKIP LOCKED
    ), over AS (
        SELECT looked.number FROM looked CROSS JOIN LATERAL (
            SELECT action, at FROM dead_letter_actions AS action WHERE action.number = looked.number
            ORDER BY ordinal DESC LIMIT 1
        ) AS last
        WHERE last.at < CAST(:before AS timestamptz) AND NOT EXISTS (
            SELECT FROM dead_letter_actions AS action
            WHERE action.number = looked.number AND action.action <> '{DISCARDED}' AND action.timestamp IS NULL
        )
    ), erased AS (
        UPDATE dead_letters SET {ERASED}
        WHERE number = ANY(ARRAY(SELECT number FROM over)) AND (
            key IS NOT NULL OR header_names IS NOT NULL OR value IS NOT NULL OR wrapped_key IS NOT NULL
        )
        RETURNING 1
    )
    SELECT (SELECT max(number) FROM looked) AS last, (SELECT count(*) FROM erased) AS erased, ARRAY(
        SELECT number FROM dead_letters AS letter WHERE number = ANY(ARRAY(SELECT number FROM over)) AND position <= (
            SELECT last_position FROM archived_log AS archived WHERE archived.shard = letter.shard
            ORDER BY last_position DESC LIMIT 1
        )
    ) AS may_go
    """
)
_MAY_LET_GO = text("SELECT has_function_privilege('forget_dead_letters(bigint[])', 'EXECUTE') AS may")
# What a topic holds is not known once it is no longer read: dead letters redriven to it stay.
_LET_GO = text(
    f"""
    SELECT forget_dead_letters(ARRAY(
        SELECT letter.number FROM dead_letters AS letter
        WHERE letter.number = ANY(CAST(:numbers AS bigint[])) AND NOT EXISTS (
            SELECT FROM dead_letter_actions AS action
            LEFT JOIN unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:beginnings AS bigint[]))
                AS held(topic, partition, beginning)
                ON held.topic = letter.topic AND held.partition = action.partition
            WHERE action.number = letter.number AND action.action = '{REDRIVEN}'
                AND (held.beginning > action."offset") IS NOT TRUE
        )
    )) AS gone
    """
)
