"""Loading what a batch names, in a handful of statements whatever its size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.book import Book
from domain.needs import Needs
from domain.state import Account, Binding, PaymentProfile, Project, RetiredUid
from schemas.commands import PaymentTerms
from schemas.events import Closure, Condition, Hold, Phase
from schemas.records import Record

_CONDITIONS = TypeAdapter(tuple[Condition, ...])
_HOLDS = TypeAdapter(tuple[Hold, ...])


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the database knows of a batch: the state, the meaning of claimed ids, and the places of records
    that were handled before."""

    book: Book
    fingerprints: dict[tuple[str, str, str], bytes]
    handled: set[str]


async def load(connection: AsyncConnection, needs: Needs) -> Loaded:
    """Load what a batch needs; the shards of its organizations must be locked."""
    book = Book()
    accounts = [_account(row) for row in await _rows(connection, _ACCOUNTS, needs.accounts)]
    accounts += [_account(row) for row in await _rows(connection, _ATTACHED_ACCOUNTS, needs.reported_profiles)]
    attached = {(account.organization, account.payment_profile) for account in accounts if account.payment_profile}
    book.load(accounts)
    book.load(_profile(row) for row in await _rows(connection, _PROFILES, needs.payment_profiles | attached))
    book.load(_project(row) for row in await _rows(connection, _PROJECTS, needs.projects))
    book.load(_binding(row) for row in await _rows(connection, _ACTIVE_BINDINGS, needs.projects))
    book.load(RetiredUid(**row._mapping) for row in await _rows(connection, _RETIRED_UIDS, needs.uids))
    turning = needs.turning | {account.key for account in accounts if _is_reported(account, needs)}
    for row in await _rows(connection, _BOUND_PROJECTS, turning):
        book.load_bound((row.organization, row.account), row.project)
    claimed = await _rows(connection, _CLAIMED, needs.identities)
    fingerprints = {(row.organization, row.source, row.command_id): row.fingerprint for row in claimed}
    return Loaded(book, fingerprints, await _handled(connection, needs.records))


def _is_reported(account: Account, needs: Needs) -> bool:
    return (account.organization, account.payment_profile) in needs.reported_profiles


async def _rows(
    connection: AsyncConnection, statement: TextClause, keys: Iterable[tuple[str | None, ...]]
) -> Sequence[Row[Any]]:
    """Run a statement over keys given as one array per column: `:a`, `:b`, `:c`."""
    columns = list(zip(*keys, strict=True))
    if not columns:
        return []
    arrays = dict(zip("abc", map(list, columns), strict=False))
    return (await connection.execute(statement, arrays)).all()


async def _handled(connection: AsyncConnection, records: Sequence[Record]) -> set[str]:
    arrays = {
        "topics": [record.topic for record in records],
        "partitions": [record.partition for record in records],
        "offsets": [record.offset for record in records],
        "timestamps": [record.timestamp for record in records],
    }
    return {f"{row.topic}/{row.partition}/{row.offset}" for row in await connection.execute(_HANDLED, arrays)}


def _account(row: Row[Any]) -> Account:
    return Account(
        organization=row.organization,
        account=row.account,
        version=row.version,
        phases=row.phases,
        sequence=row.sequence,
        last_instant=row.last_instant,
        phase=Phase(row.phase),
        conditions=_CONDITIONS.validate_json(row.conditions),
        display_name=row.display_name,
        currency_code=row.currency_code,
        payment_terms=row.payment_terms and PaymentTerms.model_validate_json(row.payment_terms),
        preferences=row.preferences,
        payment_profile=row.payment_profile,
        holds=_HOLDS.validate_json(row.holds),
        closure=row.closure and Closure.model_validate_json(row.closure),
        activated_at=row.activated_at,
    )


def _project(row: Row[Any]) -> Project:
    return Project(**row._mapping)


def _profile(row: Row[Any]) -> PaymentProfile:
    return PaymentProfile(**{**row._mapping, "expires_at": _aware(row.expires_at)})


def _aware(instant: datetime | None) -> datetime | None:
    # asyncpg takes the first and the last instant of the calendar for infinite ones, and gives these without a zone.
    return None if instant is None else instant.replace(tzinfo=UTC)


def _binding(row: Row[Any]) -> Binding:
    return Binding(**row._mapping)


_ACCOUNT_COLUMNS = """
    organization, account, version, phases, sequence, last_instant, phase, CAST(conditions AS text) AS conditions,
    display_name, currency_code, CAST(payment_terms AS text) AS payment_terms, preferences, payment_profile,
    CAST(holds AS text) AS holds, CAST(closure AS text) AS closure, activated_at
"""
_NAMED = "unnest(CAST(:a AS text[]), CAST(:b AS text[]))"
_ACCOUNTS = text(
    f"""
    SELECT {_ACCOUNT_COLUMNS} FROM {_NAMED} AS named(organization, account)
    JOIN accounts USING (organization, account)
    """
)
_ATTACHED_ACCOUNTS = text(
    f"""
    SELECT {_ACCOUNT_COLUMNS} FROM {_NAMED} AS reported(organization, payment_profile)
    JOIN accounts USING (organization, payment_profile)
    """
)
_PROFILES = text(
    f"""
    SELECT organization, payment_profile, kind, state, version, reference, country, expires_at, reason
    FROM {_NAMED} AS named(organization, payment_profile) JOIN payment_profiles USING (organization, payment_profile)
    """
)
_PROJECTS = text(
    f"""
    SELECT organization, project, state, version, uid, display_name, bindings, sequence, last_instant, last_ended_at
    FROM {_NAMED} AS named(organization, project) JOIN projects USING (organization, project)
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
    """
    SELECT organization, project, uid
    FROM unnest(CAST(:a AS text[]), CAST(:b AS text[]), CAST(:c AS text[])) AS named(organization, project, uid)
    JOIN retired_uids USING (organization, project, uid)
    """
)
_BOUND_PROJECTS = text(
    f"""
    SELECT organization, account, project
    FROM {_NAMED} AS turning(organization, account) JOIN bindings USING (organization, account)
    WHERE ended_at IS NULL
    """
)
_CLAIMED = text(
    """
    SELECT organization, source, command_id, fingerprint
    FROM unnest(CAST(:a AS text[]), CAST(:b AS text[]), CAST(:c AS text[])) AS named(organization, source, command_id)
    JOIN inbox USING (organization, source, command_id)
    """
)
_HANDLED = text(
    """
    SELECT topic, partition, "offset"
    FROM unnest(
        CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]),
        CAST(:timestamps AS timestamptz[])
    ) AS named(topic, partition, "offset", "timestamp")
    JOIN handled_records USING (topic, partition, "offset", "timestamp")
    """
)
