"""Loading what a batch names, in a handful of statements whatever its size."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.contacts import load_contact
from db.rows import (
    ACCOUNT_TYPES,
    FAN_OUT_TYPES,
    PENDING_TYPES,
    PROFILE_TYPES,
    PROJECT_TYPES,
    account_of,
    columns,
    fan_out_of,
    pending_of,
    profile_of,
)
from db.sealing import KeyEncryption
from domain.bindings import MOST_PROJECTS
from domain.book import Book, BoundProjects
from domain.needs import Needs
from domain.notices import AT_ONCE
from domain.state import Account, AccountContact, Binding, Key, Organization, Project, RetiredUid
from schemas.records import Record
from schemas.results import LISTED

FAN_OUT_PAGE = 1000
"""How many projects one transaction of a fan-out tells."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the database knows of a batch: the state, the meaning of claimed ids, and the places of handled records."""

    book: Book
    fingerprints: dict[tuple[str, str, str], bytes]
    handled: set[str]


async def load(connection: AsyncConnection, needs: Needs, keys: KeyEncryption) -> Loaded:
    """Load what a batch needs; the shards of its organizations must be locked."""
    book = Book()
    attached = [account_of(row) for row in await _rows(connection, _ATTACHED_ACCOUNTS, needs.reported_profiles)]
    choices = [
        Organization(**row._mapping) for row in await _rows(connection, _ORGANIZATIONS, _ones(needs.organizations))
    ]
    book.load(choices)
    # Only what changes an account, or its profile, is of interest to those that wait for it.
    turning = needs.turning | {account.key for account in attached}
    waiting = {(row.organization, row.project) for row in await _rows(connection, _WAITED_FOR, turning)}
    margin = len(needs.projects | waiting) + await _overdue(connection, needs.emptied)
    moving = await _load_bound(connection, book, turning, needs.emptied, margin=margin)
    keys_of_pending = needs.projects | waiting | moving
    pending = [pending_of(row) for row in await _rows(connection, _PENDING, keys_of_pending)]
    book.load(pending)
    named = needs.accounts | turning | set(_defaults(choices))
    named |= {(one.organization, one.command.account) for one in pending}
    accounts = [account_of(row) for row in await _rows(connection, _ACCOUNTS, named)]
    book.load(accounts)
    await _load_profiles(connection, book, needs, accounts)
    projects = needs.projects | moving | {(one.organization, one.project) for one in pending}
    book.load(Project(**row._mapping) for row in await _rows(connection, _PROJECTS, projects))
    book.load(Binding(**row._mapping) for row in await _rows(connection, _ACTIVE_BINDINGS, projects))
    book.load(RetiredUid(**row._mapping) for row in await _rows(connection, _RETIRED_UIDS, needs.uids))
    await _load_fan_outs(connection, book, needs)
    for organization, account in needs.contacts:
        contact = await load_contact(connection, organization, account, keys)
        book.load([AccountContact(organization=organization, account=account, contact=contact)])
    claimed = await _rows(connection, _CLAIMED, needs.identities)
    fingerprints = {(row.organization, row.source, row.command_id): row.fingerprint for row in claimed}
    return Loaded(book, fingerprints, await _handled(connection, needs.records))


def _ones(names: Iterable[str]) -> list[tuple[str]]:
    return [(name,) for name in names]


def _defaults(choices: Iterable[Organization]) -> list[Key]:
    return [(one.organization, one.default_account) for one in choices if one.default_account is not None]


async def _load_profiles(connection: AsyncConnection, book: Book, needs: Needs, accounts: Iterable[Account]) -> None:
    attached = {(account.organization, account.payment_profile) for account in accounts if account.payment_profile}
    rows = await _rows(connection, _PROFILES, needs.payment_profiles | attached)
    book.load(profile_of(row) for row in rows)


async def _overdue(connection: AsyncConnection, emptied: set[Key]) -> int:
    """Count the scheduled bindings that may yet take a project from the accounts, whose timers are late."""
    organizations = {organization for organization, _ in emptied}
    return sum(row.bindings for row in await _rows(connection, _OVERDUE, _ones(organizations)))


async def _load_bound(
    connection: AsyncConnection, book: Book, turning: set[Key], emptied: set[Key], *, margin: int
) -> set[Key]:
    """Load how many projects accounts pay for, and as many names as a batch can need; give the projects that move.

    `margin` is how many projects the batch may take from an account one by one before it asks for the names of the
    rest. All that move together leave none behind.
    """
    for row in await _rows(connection, _BOUND, turning - emptied, row_limit=max(AT_ONCE, LISTED) + margin):
        book.load_bound((row.organization, row.account), _bound(row))
    moving = set()
    for row in await _rows(connection, _BOUND, emptied, row_limit=MOST_PROJECTS + margin):
        book.load_bound((row.organization, row.account), _bound(row))
        moving |= {(row.organization, project) for project in row.first}
    return moving


def _bound(row: Row[Any]) -> BoundProjects:
    return BoundProjects(row.projects, list(row.first), row.last_ended_at)


async def _load_fan_outs(connection: AsyncConnection, book: Book, needs: Needs) -> None:
    fan_outs = [fan_out_of(row) for row in await _rows(connection, _FAN_OUTS, _ones(needs.boundaries))]
    book.load(fan_outs)
    for organization, account in needs.fan_outs:
        for fan_out in book.fan_outs((organization, account))[:1]:
            names = {"organization": organization, "account": account, "told": fan_out.told, "instant": fan_out.instant}
            rows = await connection.execute(_PAGE, names | {"row_limit": FAN_OUT_PAGE + 1})
            page = list(rows.scalars())
            book.load_page(fan_out, page[:FAN_OUT_PAGE], is_last=len(page) <= FAN_OUT_PAGE)


async def _handled(connection: AsyncConnection, records: Sequence[Record]) -> set[str]:
    places = [(record.topic, record.partition, record.offset, record.timestamp) for record in records]
    return {f"{row.topic}/{row.partition}/{row.offset}" for row in await _rows(connection, _HANDLED, places)}


async def _rows(
    connection: AsyncConnection, statement: TextClause, keys: Collection[tuple[Any, ...]], **more: Any
) -> Sequence[Row[Any]]:
    """Run a statement over keys that are given as one array per column: `:a`, `:b`, `:c`, `:d`."""
    if not keys:
        return []
    arrays = dict(zip("abcd", map(list, zip(*keys, strict=True)), strict=False))
    return (await connection.execute(statement, arrays | more)).all()


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
_ACTIVE_BINDINGS = text(
    f"""
    SELECT organization, project, number, account, established_at, ended_at, released, previous_ended_at
    FROM {_NAMED} AS named(organization, project) JOIN bindings USING (organization, project)
    WHERE ended_at IS NULL
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
    SELECT organization, account, bound.projects, first.names AS first, ended.last_ended_at
    FROM {_NAMED} AS turning(organization, account)
    CROSS JOIN LATERAL (
        SELECT count(*) AS projects FROM bindings
        WHERE bindings.organization = turning.organization AND bindings.account = turning.account
            AND bindings.ended_at IS NULL
    ) AS bound
    CROSS JOIN LATERAL (
        SELECT ARRAY(
            SELECT project FROM bindings
            WHERE bindings.organization = turning.organization AND bindings.account = turning.account
                AND bindings.ended_at IS NULL
            ORDER BY project LIMIT :row_limit
        ) AS names
    ) AS first
    CROSS JOIN LATERAL (
        SELECT max(ended_at) AS last_ended_at FROM bindings
        WHERE bindings.organization = turning.organization AND bindings.account = turning.account
            AND bindings.ended_at IS NOT NULL
    ) AS ended
    """
)
_WAITED_FOR = text(
    f"""
    SELECT DISTINCT organization, project FROM {_NAMED} AS named(organization, account)
    JOIN pending_bindings USING (organization, account)
    WHERE kind = 'Waiting'
    """
)
_OVERDUE = text(  # with a minute more, for a clock that has stepped back
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
    SELECT project FROM bindings
    WHERE organization = :organization AND account = :account AND ended_at IS NULL
        AND project > :told AND established_at <= :instant
    ORDER BY project LIMIT :row_limit
    """
)
_CLAIMED = text(
    f"""
    SELECT organization, source, command_id, fingerprint
    FROM {_NAMED_THRICE} AS named(organization, source, command_id)
    JOIN inbox USING (organization, source, command_id)
    """
)
_HANDLED = text(
    """
    SELECT topic, partition, "offset"
    FROM unnest(
        CAST(:a AS text[]), CAST(:b AS integer[]), CAST(:c AS bigint[]), CAST(:d AS timestamptz[])
    ) AS named(topic, partition, "offset", "timestamp")
    JOIN handled_records USING (topic, partition, "offset", "timestamp")
    """
)
