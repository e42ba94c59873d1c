"""Loads everything a batch refers to, in a handful of statements whatever its size."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.account_rows import account_of
from db.contacts import load_contact
from db.dead_letter_actions import arrived
from db.driver import fetch
from db.memory import FullyLoaded, Memory
from db.rows import (
    ACCOUNT_TYPES,
    FAN_OUT_TYPES,
    PENDING_TYPES,
    PROFILE_TYPES,
    PROJECT_TYPES,
    columns,
    fan_out_of,
    pending_of,
    profile_of,
)
from db.sealing import KeyEncryption
from domain.bindings import MOST_PROJECTS
from domain.book import Book
from domain.bound_projects import BoundProjects
from domain.messages import Answered
from domain.needs import Needs, Refused
from domain.notices import AT_ONCE
from domain.state import Account, AccountContact, Key, Organization, PendingBinding, Project, RetiredUid
from schemas.parsing import Identity
from schemas.records import Record
from schemas.results import LISTED, read_result

FAN_OUT_PAGE = 1000
"""How many projects one fan-out transaction notifies."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the database knows about a batch: state, earlier answers, and the places of handled records.

    `whole` lists the keys loaded completely enough for later batches to rely on. `origins` maps the places of redriven
    records to the dead letters that they come from.
    """

    book: Book
    whole: FullyLoaded
    answered: Answered
    handled: set[str]
    origins: Mapping[str, int]


async def load(
    connection: AsyncConnection,
    needs: Needs,
    keys: KeyEncryption,
    memory: Memory,
    *,
    now: datetime,
    ask_for_claims: bool = True,
) -> Loaded:
    """Load what a batch needs and memory does not have; the shards of its organizations must be locked.

    Whatever has fallen due for its accounts by `now` is loaded too, because it is processed first.

    Without `ask_for_claims`, all ids except those in `needs.asked_again` are assumed to be unclaimed: if one is
    claimed, `store_claims` or an earlier statement fails.
    """
    book, whole = Book(), FullyLoaded()
    book.look_up(contacts=needs.contacts, uids=needs.uids, reported_profiles=needs.reported_profiles)
    await _load_organizations(connection, book, needs, whole, memory)
    attached = [account_of(row) for row in await _rows(connection, _ATTACHED_ACCOUNTS, needs.reported_profiles)]
    # Only changes to its account, or to that account's profile, affect a waiting binding.
    turning = needs.turning | {account.key for account in attached}
    book.look_up(turning=turning, emptied=needs.emptied)
    rows = await _rows(connection, _WAITED_FOR, turning | needs.emptied, now=now)
    waiting = {(row["organization"], row["project"]) for row in rows}
    margin = len(needs.projects | waiting) + await _overdue(connection, needs.emptied)
    moving = await _load_bound(connection, book, turning, needs.emptied, margin=margin)
    whole.projects |= needs.projects | waiting | moving
    pending = await _load_projects(connection, book, whole.projects, memory)
    defaults = {(one, account) for one in needs.organizations if (account := book.default_account(one)) is not None}
    whole.accounts |= needs.accounts | turning | defaults | {(one.organization, one.command.account) for one in pending}
    accounts = await _load_accounts(connection, book, whole.accounts, memory)
    profiles = {(account.organization, account.payment_profile) for account in accounts if account.payment_profile}
    whole.payment_profiles |= needs.payment_profiles | profiles
    book.look_up(payment_profiles=whole.payment_profiles)
    known, unknown = memory.payment_profiles.recall(whole.payment_profiles)
    book.load([*known, *map(profile_of, await _rows(connection, _PROFILES, unknown))])
    if expired := book.expired(now) - needs.reported_profiles:
        # Their accounts and what waits for these are needed as well.
        needs = replace(needs, reported_profiles=needs.reported_profiles | expired)
        return await load(connection, needs, keys, memory, now=now, ask_for_claims=ask_for_claims)
    book.load(RetiredUid(**row) for row in await _rows(connection, _RETIRED_UIDS, needs.uids))
    await _load_pages(connection, book, needs)
    for organization, account in needs.contacts:
        contact = await load_contact(connection, organization, account, keys)
        book.load([AccountContact(organization=organization, account=account, contact=contact)])
    answered = await _load_answered(connection, needs.identities if ask_for_claims else needs.asked_again, needs)
    redriven = await arrived(connection, needs.records)
    handled = await _handled(connection, needs.records) | redriven.repeated
    handled |= await _accepted(connection, needs.refused)
    return Loaded(book, whole, answered, handled, redriven.origins)


async def _load_answered(connection: AsyncConnection, identities: Collection[Identity], needs: Needs) -> Answered:
    """Load the fingerprints of claimed ids, and the results to repeat, if the log still has them."""
    claimed = await _rows(connection, _CLAIMED, identities)
    results = await _rows(connection, _RESULTS, needs.asked_again)
    return Answered(
        fingerprints={_identity(row): row["fingerprint"] for row in claimed},
        results={_identity(row): read_result(row["value"]) for row in results},
    )


def _identity(row: Mapping[str, Any]) -> Identity:
    return (row["organization"], row["source"], row["command_id"])


async def _load_organizations(
    connection: AsyncConnection, book: Book, needs: Needs, whole: FullyLoaded, memory: Memory
) -> None:
    whole.organizations |= needs.boundaries | needs.organizations
    book.look_up(organizations=whole.organizations)
    known, unknown = memory.organizations.recall(whole.organizations)
    names = [(name,) for name in unknown]
    book.load(known)
    book.load(Organization(**row) for row in await _rows(connection, _ORGANIZATIONS, names))
    book.load(map(fan_out_of, await _rows(connection, _FAN_OUTS, names)))


async def _load_projects(
    connection: AsyncConnection, book: Book, projects: set[Key], memory: Memory
) -> list[PendingBinding]:
    """Load projects and their pending bindings; return the pending bindings."""
    book.look_up(projects=projects)
    known, unknown = memory.projects.recall(projects)
    pending = [one for one in known if isinstance(one, PendingBinding)]
    book.load(known)
    book.load(Project(**row) for row in await _rows(connection, _PROJECTS, unknown))
    found = [pending_of(row) for row in await _rows(connection, _PENDING, unknown)]
    book.load(found)
    return pending + found


async def _load_accounts(connection: AsyncConnection, book: Book, accounts: set[Key], memory: Memory) -> list[Account]:
    book.look_up(accounts=accounts)
    known, unknown = memory.accounts.recall(accounts)
    found = [one for one in known if isinstance(one, Account)]
    found += [account_of(row) for row in await _rows(connection, _ACCOUNTS, unknown)]
    book.load(found)
    return found


async def _overdue(connection: AsyncConnection, emptied: set[Key]) -> int:
    """Count the overdue scheduled bindings that may still take projects away from these accounts."""
    organizations = {(organization,) for organization, _ in emptied}
    return sum(row["bindings"] for row in await _rows(connection, _OVERDUE, organizations))


async def _load_bound(
    connection: AsyncConnection, book: Book, turning: set[Key], emptied: set[Key], *, margin: int
) -> set[Key]:
    """Load how many projects accounts pay for, and as many names as a batch can need; return the projects that move.

    `margin` is how many projects the batch may take from an account one by one before it needs the names of the rest.
    All projects of an `emptied` account move.
    """
    for row in await _rows(connection, _BOUND, turning - emptied, row_limit=max(AT_ONCE, LISTED) + margin):
        book.load_bound((row["organization"], row["account"]), _bound(row))
    moving = set()
    for row in await _rows(connection, _BOUND, emptied, row_limit=MOST_PROJECTS + margin):
        book.load_bound((row["organization"], row["account"]), _bound(row))
        moving |= {(row["organization"], project) for project in row["first"]}
    return moving


def _bound(row: Mapping[str, Any]) -> BoundProjects:
    return BoundProjects(row["projects"], row["first"], row["last_ended_at"])


async def _load_pages(connection: AsyncConnection, book: Book, needs: Needs) -> None:
    for organization, account in needs.fan_outs:
        for fan_out in book.fan_outs((organization, account))[:1]:
            place = {"organization": organization, "account": account, "told": fan_out.told, "instant": fan_out.instant}
            page = [row["project"] for row in await fetch(connection, _PAGE, **place, row_limit=FAN_OUT_PAGE + 1)]
            book.load_page(fan_out, page[:FAN_OUT_PAGE], is_last=len(page) <= FAN_OUT_PAGE)


async def _handled(connection: AsyncConnection, records: Sequence[Record]) -> set[str]:
    """Return the places of the records already answered without claiming an id: usually few or none."""
    spans: dict[tuple[str, int], tuple[int, int]] = {}
    for record in records:
        first, last = spans.get((record.topic, record.partition), (record.offset, record.offset))
        spans[record.topic, record.partition] = (min(first, record.offset), max(last, record.offset))
    rows = await _rows(connection, _HANDLED, [(*partition, *span) for partition, span in spans.items()])
    if not rows:
        return set()
    handled = {(row["topic"], row["partition"], row["offset"], row["timestamp"]) for row in rows}
    return {one.place for one in records if (one.topic, one.partition, one.offset, one.timestamp) in handled}


async def _accepted(connection: AsyncConnection, refused: Sequence[Refused]) -> set[str]:
    """Return the places of refused commands that were accepted when they were first read.

    A key may have been withdrawn or an issuer removed since: a command accepted once is not checked again. Such a
    command lies before its partition's reading position, or was read ahead of it, and its id is claimed with the same
    fingerprint. Records that claim no id are recognized by their place.
    """
    if not refused:
        return set()
    listed = [
        (one.record.topic, one.record.partition, one.record.offset, *one.identity, one.fingerprint) for one in refused
    ]
    names = ("topics", "partitions", "offsets", "organizations", "sources", "ids", "fingerprints")
    rows = await fetch(connection, _ACCEPTED, **dict(zip(names, map(list, zip(*listed, strict=True)), strict=True)))
    return {f"{row['topic']}/{row['partition']}/{row['offset']}" for row in rows}


async def _rows(
    connection: AsyncConnection, statement: TextClause, keys: Collection[tuple[Any, ...]], **more: Any
) -> Sequence[Mapping[str, Any]]:
    """Run a statement over keys, passed as one array per column: `:a`, `:b`, `:c`, `:d`."""
    if not keys:
        return []
    arrays = dict(zip("abcd", map(list, zip(*keys, strict=True)), strict=False))
    return await fetch(connection, statement, **arrays, **more)


_NAMED = "unnest(CAST(:a AS text[]), CAST(:b AS text[]))"
_NAMED_THRICE = "unnest(CAST(:a AS text[]), CAST(:b AS text[]), CAST(:c AS text[]))"
_ORGANIZATIONS = text(
    """
    SELECT organization, default_account FROM unnest(CAST(:a AS text[])) AS named(organization)
    JOIN organizations USING (organization)
    """
)
_ACCOUNTS = text(
    f"""
    SELECT {columns(ACCOUNT_TYPES)} FROM {_NAMED} AS named(organization, account)
    JOIN accounts USING (organization, account)
    """
)
_ATTACHED_ACCOUNTS = text(
    f"""
    SELECT {columns(ACCOUNT_TYPES)} FROM {_NAMED} AS reported(organization, payment_profile)
    JOIN accounts USING (organization, payment_profile)
    """
)
_PROFILES = text(
    f"""
    SELECT {columns(PROFILE_TYPES)} FROM {_NAMED} AS named(organization, payment_profile)
    JOIN payment_profiles USING (organization, payment_profile)
    """
)
_PROJECTS = text(
    f"""
    SELECT {columns(PROJECT_TYPES)} FROM {_NAMED} AS named(organization, project)
    JOIN projects USING (organization, project)
    """
)
_RETIRED_UIDS = text(
    f"""
    SELECT organization, project, uid FROM {_NAMED_THRICE} AS named(organization, project, uid)
    JOIN retired_uids USING (organization, project, uid)
    """
)
_BOUND = text(
    f"""
    SELECT organization, account, bound.projects, first.names AS first, former_payers.last_ended_at
    FROM {_NAMED} AS turning(organization, account)
    CROSS JOIN LATERAL (
        SELECT count(*) AS projects FROM projects
        WHERE projects.organization = turning.organization AND projects.account = turning.account
    ) AS bound
    CROSS JOIN LATERAL (
        SELECT ARRAY(
            SELECT project FROM projects
            WHERE projects.organization = turning.organization AND projects.account = turning.account
            ORDER BY project LIMIT :row_limit
        ) AS names
    ) AS first
    LEFT JOIN former_payers USING (organization, account)
    """
)
# Also finds the projects whose due bindings move them to these accounts, or away from them. BETWEEN, so that the
# planner expects few rows.
_WAITED_FOR = text(
    f"""
    WITH named AS MATERIALIZED (SELECT organization, account FROM {_NAMED} AS named(organization, account)),
    due AS MATERIALIZED (
        SELECT organization, project FROM pending_bindings
        WHERE organization = ANY(CAST(:a AS text[])) AND due_at BETWEEN '-infinity' AND CAST(:now AS timestamptz)
    )
    SELECT organization, project FROM named JOIN pending_bindings USING (organization, account)
    WHERE kind = 'Waiting' OR due_at <= CAST(:now AS timestamptz)
    UNION
    SELECT due.organization, project FROM due JOIN projects USING (organization, project)
    JOIN named ON (named.organization, named.account) = (projects.organization, projects.account)
    """
)
_OVERDUE = text(  # looks one minute ahead, in case the clock has stepped back
    """
    SELECT count(*) AS bindings FROM pending_bindings
    WHERE organization = ANY(CAST(:a AS text[])) AND kind = 'Scheduled'
        AND due_at <= clock_timestamp() + interval '1 minute'
    """
)
_PENDING = text(
    f"""
    SELECT {columns(PENDING_TYPES)} FROM {_NAMED} AS named(organization, project)
    JOIN pending_bindings USING (organization, project)
    """
)
_FAN_OUTS = text(
    f"""
    SELECT {columns(FAN_OUT_TYPES)} FROM unnest(CAST(:a AS text[])) AS named(organization)
    JOIN fan_outs USING (organization)
    """
)
_PAGE = text(
    """
    SELECT project FROM projects
    WHERE organization = :organization AND account = :account AND project > :told AND payer_since <= :instant
    ORDER BY project LIMIT :row_limit
    """
)
_IDENTITIES = f"{_NAMED_THRICE} AS named(organization, source, command_id)"
_OF_NAMED = "forgotten.digest = command_digest(named.organization, named.source, named.command_id)"
_CLAIMED = text(
    f"""
    SELECT organization, source, command_id, inbox.fingerprint
    FROM {_IDENTITIES} JOIN inbox USING (organization, source, command_id)
    UNION ALL
    SELECT organization, source, command_id, forgotten.fingerprint
    FROM {_IDENTITIES} JOIN forgotten_commands AS forgotten ON {_OF_NAMED}
    """
)
_RESULTS = text(
    f"""
    SELECT organization, source, command_id, log.value FROM (
        SELECT organization, source, command_id, inbox.shard, inbox.position
        FROM {_IDENTITIES} JOIN inbox USING (organization, source, command_id)
        UNION ALL
        SELECT organization, source, command_id, forgotten.shard, forgotten.position
        FROM {_IDENTITIES} JOIN forgotten_commands AS forgotten ON {_OF_NAMED}
    ) AS answered
    JOIN log USING (shard, position)
    """
)
_ACCEPTED = text(
    f"""
    SELECT topic, partition, named."offset"
    FROM unnest(
        CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]),
        CAST(:organizations AS text[]), CAST(:sources AS text[]), CAST(:ids AS text[]), CAST(:fingerprints AS bytea[])
    ) AS named(topic, partition, "offset", organization, source, command_id, fingerprint)
    JOIN reading_positions USING (topic, partition)
    WHERE (named."offset" < reading_positions.next_offset OR EXISTS (
        SELECT FROM read_ahead AS ahead
        WHERE (ahead.topic, ahead.partition) = (named.topic, named.partition) AND named."offset" = ANY(ahead.offsets)
    )) AND (EXISTS (
        SELECT FROM inbox WHERE (inbox.organization, inbox.source, inbox.command_id, inbox.fingerprint)
            = (named.organization, named.source, named.command_id, named.fingerprint)
    ) OR EXISTS (
        SELECT FROM forgotten_commands AS forgotten
        WHERE {_OF_NAMED} AND forgotten.fingerprint = substr(named.fingerprint, 1, 8)
    ))
    """
)
_HANDLED = text(
    """
    SELECT topic, partition, "offset", "timestamp"
    FROM unnest(CAST(:a AS text[]), CAST(:b AS integer[]), CAST(:c AS bigint[]), CAST(:d AS bigint[]))
        AS span(topic, partition, first, last)
    JOIN handled_records USING (topic, partition)
    WHERE handled_records."offset" BETWEEN span.first AND span.last
    """
)
