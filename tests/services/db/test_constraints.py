"""What cannot be committed, whatever the code does: each named constraint is violated on purpose."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from embedded import Addresses
from tests.support.installations import database

_START = datetime(2026, 1, 1, tzinfo=UTC)
_BINDING = (
    "INSERT INTO bindings (organization, project, number, account, established_at, ended_at, released, "
    "previous_ended_at) VALUES ('acme', 'web', {}, 'main', {}, {}, {}, {})"
)
_ACCOUNT = (
    "INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds, "
    "currency_code, payment_terms, payment_profile, activated_at) "
    "VALUES ('acme', 'main', 1, 1, 1, '{}', '[]', '{}', {}, {}, {}, {})"
)
_CHANGE_FIRST = "UPDATE bindings SET {} WHERE number = 1"
_HISTORY = "INSERT INTO account_phases VALUES {}"
_LOG = "INSERT INTO log VALUES ({}, {}, now(), 'bindings', NULL, 'value', 'hash')"


def at(hours: int | None) -> str:
    """Write an instant, or none, as SQL."""
    return "NULL" if hours is None else f"'{(_START + timedelta(hours=hours)).isoformat()}'"


def binding(number: int, start: int, end: int | None, previous_end: int | None, *, released: bool = False) -> str:
    """Write a binding's row; instants in hours."""
    return _BINDING.format(number, at(start), at(end), released, at(previous_end))


def account(phase: str, *, holds: str = "[]", currency: bool = True, profile: bool = True, active: bool = True) -> str:
    """Write an account's row."""
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
        shared, "TRUNCATE bindings, accounts, account_phases, projects, payment_profiles, inbox, log, pending_bindings"
    )
    return shared


async def _commit(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement.replace(":", "\\:")))


def _together(bindings: list[str]) -> str:
    """Write rows of bindings as one statement, after which they must touch."""
    head, first = bindings[0].split("VALUES ")
    return f"{head} VALUES {', '.join([first, *(one.split('VALUES ')[1] for one in bindings[1:])])}"


@pytest.mark.parametrize(
    "statements",
    (
        [binding(1, 0, None, None)],
        [binding(1, 0, 2, None), binding(2, 2, 5, 2), binding(3, 5, None, 5)],
        [binding(1, 0, 2, None, released=True), binding(2, 3, None, 2)],
        [binding(1, 0, 2, None, released=True), binding(2, 2, None, 2)],
    ),
    ids=["one", "touching", "released, later another", "released, at once another"],
)
async def test_allowed_bindings(engine: AsyncEngine, statements: list[str]) -> None:
    await _commit(engine, _together(statements))


@pytest.mark.parametrize(
    ("constraint", "statements"),
    (
        ("bindings_pkey", [binding(1, 0, 1, None, released=True), binding(1, 2, None, None)]),
        ("bindings_one_payer", [binding(1, 0, None, None), binding(2, 1, None, 1)]),
        ("bindings_interval_not_empty", [binding(1, 1, 1, None)]),
        ("bindings_interval_not_empty", [binding(1, 1, 0, None)]),
        ("bindings_released_is_ended", [binding(1, 0, None, None, released=True)]),
        ("bindings_first_has_no_previous", [binding(1, 2, None, 1)]),
        ("bindings_first_has_no_previous", [binding(2, 2, None, None)]),
        ("bindings_follow_the_previous", [binding(1, 0, 3, None), binding(2, 2, None, 3)]),
        ("bindings_touch_the_previous", [binding(1, 0, 3, None, released=True), binding(2, 4, None, 2)]),
        ("bindings_touch_the_previous", [binding(2, 4, None, 2)]),
        ("bindings_touch_the_previous", [binding(1, 0, 1, None, released=True), binding(3, 4, None, 1)]),
        ("bindings_superseded_have_a_successor", [binding(1, 0, 3, None)]),
        ("bindings_superseded_have_a_successor", [binding(1, 0, 3, None), binding(2, 4, None, 3)]),
    ),
    ids=[
        "number twice", "two payers", "empty", "backwards", "released and active", "first after another",
        "later after none", "overlap", "other end than the previous", "previous missing", "number left out",
        "superseded by nobody", "gap",
    ],
)  # fmt: skip
async def test_refused_bindings(engine: AsyncEngine, constraint: str, statements: list[str]) -> None:
    with pytest.raises(DBAPIError, match=f'"{constraint}"'):
        await _commit(engine, _together(statements))


async def test_an_ended_binding_cannot_be_moved_away_from_its_successor(engine: AsyncEngine) -> None:
    await _commit(engine, _together([binding(1, 0, 2, None), binding(2, 2, None, 2)]))
    for change in (f"ended_at = {at(1)}", "ended_at = NULL"):
        with pytest.raises(DBAPIError, match=r'"bindings_touch_the_previous"|"bindings_one_payer"'):
            await _commit(engine, _CHANGE_FIRST.format(change))


async def test_of_a_binding_nothing_but_its_end_is_set(engine: AsyncEngine) -> None:
    await _commit(engine, binding(1, 0, 2, None, released=True))
    changes = ("number = 7", f"established_at = {at(1)}", "project = 'other'", "account = 'other'")
    for statement in (*map(_CHANGE_FIRST.format, changes), "DELETE FROM bindings WHERE number = 1"):
        with pytest.raises(DBAPIError, match='"bindings_only_end"'):
            await _commit(engine, statement)


async def test_superseding_takes_one_statement(engine: AsyncEngine) -> None:
    await _commit(engine, binding(1, 0, None, None))
    ending, beginning = _CHANGE_FIRST.format(f"ended_at = {at(2)}"), binding(2, 2, None, 2)
    with pytest.raises(DBAPIError, match='"bindings_superseded_have_a_successor"'):
        await _commit(engine, ending, beginning)
    begun = beginning.replace("VALUES (", "SELECT ").rstrip(")")
    await _commit(engine, f"WITH ended AS ({ending} RETURNING 1) {begun} WHERE EXISTS (SELECT FROM ended)")


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
        ("projects_state_known", "INSERT INTO projects VALUES ('acme', 'web', 'Gone', 1, NULL, NULL, 0, 0)"),
        ("projects_version", "INSERT INTO projects VALUES ('acme', 'web', 'Active', 0, NULL, NULL, 0, 0)"),
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
                '(topic, partition, "offset", timestamp, reason, detail, value, sealed, recorded_at) '
                "VALUES ('t', 0, 0, now(), 'r', 'd', 'open', 'sealed', now())"
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
