"""What cannot be committed, whatever the code does: each named constraint is violated on purpose."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from embedded import Addresses
from tests.support.installations import database

_START = datetime(2026, 1, 1, tzinfo=UTC)
_BINDINGS = "INSERT INTO bindings (organization, project, number, account, from_instant) VALUES {}"
_ACCOUNT = (
    "INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds, "
    "currency_code, payment_terms, payment_profile, activated_at) "
    "VALUES ('acme', 'main', 1, 1, 1, '{}', '[]', '{}', {}, {}, {}, {})"
)
_HISTORY = "INSERT INTO account_phases VALUES {}"
_LOG = "INSERT INTO log VALUES ({}, {}, now(), 'bindings', NULL, 'value', 'hash')"


def at(hours: int | None) -> str:
    """Return an instant, or none, as SQL."""
    return "NULL" if hours is None else f"'{(_START + timedelta(hours=hours)).isoformat()}'"


def account(phase: str, *, holds: str = "[]", currency: bool = True, profile: bool = True, active: bool = True) -> str:
    """Return an account's row as SQL."""
    configured = ("'EUR'", "'{}'") if currency else ("NULL", "NULL")
    return _ACCOUNT.format(phase, holds, *configured, "'card'" if profile else "NULL", "now()" if active else "NULL")


@pytest_asyncio.fixture(scope="module")
async def shared(services: Addresses, template: str) -> AsyncIterator[AsyncEngine]:
    """One database for all of these tests."""
    async with database(services, template) as (_, url):
        engine = create_engine(url)
        yield engine
        await engine.dispose()


@pytest_asyncio.fixture
async def engine(shared: AsyncEngine) -> AsyncEngine:
    """That database, emptied."""
    await _commit(
        shared,
        # As a superuser, whom no trigger stops.
        "SET LOCAL session_replication_role = replica",
        "TRUNCATE bindings, accounts, account_phases, projects, payment_profiles, inbox, log, pending_bindings",
    )
    return shared


async def _commit(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement.replace(":", "\\:")))


def bindings(*rows: str) -> str:
    """Write bindings of a project as one statement."""
    return _BINDINGS.format(", ".join(rows))


def row(number: int, payer: str | None, hours: int, project: str = "web") -> str:
    """Write a binding's row; its instant in hours."""
    return f"('acme', '{project}', {number}, {_quoted(payer)}, {at(hours)})"


def _quoted(name: str | None) -> str:
    return "NULL" if name is None else f"'{name}'"


async def _heads(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT project, number, account, payer_since FROM projects WHERE number > 0 ORDER BY project")
        )
        return [tuple(one) for one in rows]


@pytest_asyncio.fixture
async def payers(engine: AsyncEngine) -> AsyncEngine:
    """A database with two projects, and two accounts to pay for them."""
    reported = "INSERT INTO projects (organization, project, state, version) VALUES ('acme', '{}', 'Active', 1)"
    await _commit(engine, account("Ready"), account("Ready").replace("'main'", "'b'"))
    await _commit(engine, *map(reported.format, ("web", "api")))
    return engine


@pytest.mark.parametrize(
    ("statements", "head"),
    (
        ([bindings(row(1, "main", 0))], (1, "main", 0)),
        ([bindings(row(1, "main", 0)), bindings(row(2, "b", 2)), bindings(row(3, "main", 5))], (3, "main", 5)),
        ([bindings(row(3, "main", 5), row(1, "main", 0), row(2, "b", 2))], (3, "main", 5)),
        ([bindings(row(1, "main", 0), row(2, None, 2))], (2, None, 2)),
        ([bindings(row(1, "main", 0), row(2, None, 2)), bindings(row(3, "main", 3))], (3, "main", 3)),
    ),
    ids=["one", "one after the other", "at once, in any order", "released", "released, later the same"],
)
async def test_allowed_bindings(payers: AsyncEngine, statements: list[str], head: tuple[int, str | None, int]) -> None:
    await _commit(payers, *statements)
    number, payer, hours = head
    assert await _heads(payers) == [("web", number, payer, _START + timedelta(hours=hours))]


@pytest.mark.parametrize(
    ("constraint", "statements"),
    (
        ("bindings_pkey", [bindings(row(1, "main", 0)), bindings(row(1, "b", 1))]),
        ("bindings_pkey", [bindings(row(1, "main", 0), row(1, "b", 1))]),
        ("bindings_number_from_one", [bindings(row(0, "main", 0))]),
        ("bindings_number_follows", [bindings(row(2, "main", 0))]),
        ("bindings_number_follows", [bindings(row(1, "main", 0)), bindings(row(3, "b", 1))]),
        ("bindings_number_follows", [bindings(row(1, "main", 0), row(3, "b", 1))]),
        ("bindings_begin_later", [bindings(row(1, "main", 2)), bindings(row(2, "b", 2))]),
        ("bindings_begin_later", [bindings(row(1, "main", 2), row(2, "b", 1))]),
        ("bindings_begin_later", [bindings(row(1, "main", 2), row(2, None, 2))]),
        ("bindings_first_has_a_payer", [bindings(row(1, None, 0))]),
        ("bindings_change_the_payer", [bindings(row(1, "main", 0), row(2, None, 1)), bindings(row(3, None, 2))]),
        ("bindings_change_the_payer", [bindings(row(1, "main", 0)), bindings(row(2, "main", 1))]),
        ("bindings_of_a_known_account", [bindings(row(1, "nobody", 0))]),
        ("bindings_of_a_known_account", [bindings(row(1, "main", 0), row(2, "nobody", 1))]),
        ("bindings_follow_the_head", [bindings(row(1, "main", 0, "unknown"))]),
        ("bindings_number_follows", [bindings(row(1, "main", 0), row(1, "main", 0, "api"), row(3, "b", 1, "api"))]),
    ),
    ids=[
        "number twice", "number twice at once", "zeroth", "later after none", "number left out",
        "number left out at once", "at the same instant", "before the one before", "released as it begins",
        "release of nobody", "released twice", "the same payer again", "unknown account", "then an unknown account",
        "unknown project", "of the second project",
    ],
)  # fmt: skip
async def test_refused_bindings(payers: AsyncEngine, constraint: str, statements: list[str]) -> None:
    *before, last = statements
    await _commit(payers, *before)
    heads = await _heads(payers)
    with pytest.raises(DBAPIError, match=f'"{constraint}"'):
        await _commit(payers, last)
    assert await _heads(payers) == heads


@pytest.mark.parametrize(
    ("constraint", "statement"),
    (
        ("bindings_append_only", "UPDATE bindings SET from_instant = from_instant - interval '1 s' WHERE number = 2"),
        ("bindings_append_only", "UPDATE bindings SET account = 'main'"),
        ("bindings_append_only", "UPDATE bindings SET legacy_id = 'x'"),
        ("bindings_append_only", "DELETE FROM bindings WHERE number = 2"),
        ("projects_head_is_last_binding", "UPDATE projects SET account = 'main' WHERE project = 'web'"),
        ("projects_head_is_last_binding", "UPDATE projects SET account = NULL, payer_since = NULL"),
        ("projects_head_is_last_binding", "UPDATE projects SET number = number + 1 WHERE project = 'web'"),
        ("projects_head_is_last_binding", "UPDATE projects SET payer_since = now()"),
        ("projects_head_is_last_binding", "UPDATE projects SET legacy_id = 'x'"),
        (
            "projects_head_is_last_binding",
            (
                "INSERT INTO projects (organization, project, state, version, account) "
                "VALUES ('acme', 'new', 'Active', 1, 'main')"
            ),
        ),
        (
            "projects_head_is_last_binding",
            (
                "INSERT INTO projects (organization, project, state, version, number) "
                "VALUES ('acme', 'new', 'Active', 1, 1)"
            ),
        ),
        ("projects_are_kept", "DELETE FROM projects WHERE project = 'api'"),
        ("projects_are_kept", "UPDATE projects SET project = 'renamed' WHERE project = 'web'"),
        ("accounts_are_kept", "DELETE FROM accounts WHERE account = 'b'"),
        ("accounts_are_kept", "UPDATE accounts SET account = 'renamed' WHERE account = 'b'"),
        ("account_phases_append_only", "UPDATE account_phases SET reason = reason"),
        ("account_phases_append_only", "DELETE FROM account_phases"),
    ),
)
async def test_what_paid_once_stays_as_it_was(payers: AsyncEngine, constraint: str, statement: str) -> None:
    await _commit(payers, bindings(row(1, "main", 0), row(2, "b", 1)))
    with pytest.raises(DBAPIError, match=f'"{constraint}"'):
        await _commit(payers, statement)


@pytest.mark.parametrize(
    ("constraint", "tables"),
    (
        ("bindings_append_only", "bindings"),
        ("projects_are_kept", "projects"),
        ("accounts_are_kept", "accounts CASCADE"),
        ("account_phases_append_only", "account_phases"),
        ("inbox_is_kept", "inbox"),
        ("forgotten_commands_are_kept", "forgotten_commands"),
        ("log_is_kept", "log"),
    ),
)
async def test_what_is_kept_for_ever_is_not_truncated(engine: AsyncEngine, constraint: str, tables: str) -> None:
    with pytest.raises(DBAPIError, match=f'"{constraint}"'):
        await _commit(engine, f"TRUNCATE {tables}")


async def test_two_who_hold_no_lock_cannot_both_change_a_payer(payers: AsyncEngine) -> None:
    await _commit(payers, bindings(row(1, "main", 0)))
    async with payers.connect() as first, payers.connect() as second:
        await first.execute(text(bindings(row(2, "b", 1)).replace(":", "\\:")))
        other = asyncio.ensure_future(second.execute(text(bindings(row(2, None, 2)).replace(":", "\\:"))))
        await asyncio.wait({other}, timeout=0.2)
        await first.commit()
        with pytest.raises(DBAPIError, match='"bindings_pkey"'):
            await other
    assert await _heads(payers) == [("web", 2, "b", _START + timedelta(hours=1))]


@pytest.mark.parametrize(
    ("constraint", "statement"),
    (
        ("accounts_phase_known", account("Sleeping")),
        ("accounts_configured_beyond_provisioning", account("Ready", currency=False)),
        ("accounts_configured_beyond_provisioning", account("Incomplete", currency=False)),
        ("accounts_ready_with_profile", account("Ready", profile=False)),
        ("accounts_ready_is_activated", account("Ready", active=False)),
        ("accounts_suspended_by_holds", account("Suspended")),
        ("accounts_suspended_by_holds", account("Ready", holds="[{}]")),
    ),
)
async def test_refused_accounts(engine: AsyncEngine, constraint: str, statement: str) -> None:
    with pytest.raises(DBAPIError, match=f'"{constraint}"'):
        await _commit(engine, statement)


@pytest.mark.parametrize(
    "statement",
    (
        account("Ready"),
        account("Suspended", holds="[{}]", currency=False),
        account("Provisioning", currency=False, profile=False, active=False),
        account("Archived", holds="[{}]"),
        account("Archived"),
    ),
)
async def test_allowed_accounts(engine: AsyncEngine, statement: str) -> None:
    await _commit(engine, statement)


@pytest.mark.parametrize(
    ("constraint", "statement"),
    (
        ("account_phases_of_account", "('acme', 'none', 1, NULL, 'Ready', 'r', 'm', 'b', 'c', now())"),
        (
            "account_phases_first_has_no_previous",
            "('acme', 'main', 1, 'Ready', 'Suspended', 'r', 'm', 'b', 'c', now())",
        ),
        ("account_phases_first_has_no_previous", "('acme', 'main', 2, NULL, 'Suspended', 'r', 'm', 'b', 'c', now())"),
        ("account_phases_change", "('acme', 'main', 2, 'Ready', 'Ready', 'r', 'm', 'b', 'c', now())"),
    ),
)
async def test_refused_histories(engine: AsyncEngine, constraint: str, statement: str) -> None:
    await _commit(engine, account("Ready"))
    with pytest.raises(DBAPIError, match=f'"{constraint}"'):
        await _commit(engine, _HISTORY.format(statement))


async def test_a_position_of_the_log_is_taken_once(engine: AsyncEngine) -> None:
    await _commit(engine, _LOG.format(1, 1), _LOG.format(1, 2), _LOG.format(2, 1))
    with pytest.raises(DBAPIError, match='"log_p0_pkey"'):
        await _commit(engine, _LOG.format(1, 2))


@pytest.mark.parametrize(
    ("constraint", "statement"),
    (
        ("projects_state_known", "INSERT INTO projects VALUES ('acme', 'web', 'Gone', 1)"),
        ("projects_version", "INSERT INTO projects VALUES ('acme', 'web', 'Active', 0)"),
        (
            "payment_profiles_state_known",
            (
                "INSERT INTO payment_profiles (organization, payment_profile, kind, state, version, origin) "
                "VALUES ('acme', 'card', 'CreditCard', 'Old', 1, '{}')"
            ),
        ),
        (
            "payment_profiles_version",
            (
                "INSERT INTO payment_profiles (organization, payment_profile, kind, state, version, origin) "
                "VALUES ('acme', 'card', 'CreditCard', 'Valid', 0, '{}')"
            ),
        ),
        (
            "pending_bindings_kind_known",
            "INSERT INTO pending_bindings VALUES ('acme', 'web', 1, 'Later', now(), 'main', '{}', '/s', 't', '{}')",
        ),
        (
            "dead_letters_open_or_sealed",
            (
                "INSERT INTO dead_letters "
                '(topic, partition, "offset", timestamp, reason, detail, value, sealed, recorded_at, size) '
                "VALUES ('t', 0, 0, now(), 'r', 'd', 'open', 'sealed', now(), 4)"
            ),
        ),
        (
            "dead_letters_origin_before",
            (
                "INSERT INTO dead_letters "
                '(topic, partition, "offset", timestamp, reason, detail, recorded_at, size, origin) '
                "VALUES ('t', 0, 0, now(), 'r', 'd', now(), 4, 1000)"
            ),
        ),
        ("installation_pkey", "INSERT INTO installation VALUES ('second', 48)"),
        ("installation_is_one", "UPDATE installation SET is_only = false"),
        ("installation_has_shards", "UPDATE installation SET shards = 0"),
    ),
)
async def test_refused_others(engine: AsyncEngine, constraint: str, statement: str) -> None:
    with pytest.raises(DBAPIError, match=f'"{constraint}"'):
        await _commit(engine, statement)


async def test_a_project_has_one_scheduled_binding_and_any_number_that_wait(engine: AsyncEngine) -> None:
    pending = "INSERT INTO pending_bindings VALUES ('acme', 'web', {}, '{}', now(), 'main', '{{}}', '/s', 't', '{{}}')"
    await _commit(engine, *(pending.format(number, "Waiting") for number in (1, 2)), pending.format(3, "Scheduled"))
    with pytest.raises(DBAPIError, match='"pending_bindings_one_scheduled"'):
        await _commit(engine, pending.format(4, "Scheduled"))
    with pytest.raises(DBAPIError, match='"pending_bindings_pkey"'):
        await _commit(engine, pending.format(2, "Waiting"))


async def test_a_command_id_is_claimed_once(engine: AsyncEngine) -> None:
    claim = "INSERT INTO inbox VALUES ('acme', '/source', 'id', 'print', 1, 1)"
    await _commit(engine, claim)
    with pytest.raises(DBAPIError, match='"inbox_pkey"'):
        await _commit(engine, claim)
