"""Statements on the hot path find their rows by an index, however large the tables have grown."""

import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import contacts, dead_letter_actions, dead_letters, forgetting, history, load, log, store, timers
from db.archive import catalog
from db.driver import Statement
from db.engine import create_engine
from db.questions import accounts, archived_results, intervals, projects, results
from db.questions.who import WHO_PAYS
from embedded import Addresses
from tests.support.installations import database

_PROJECTS = 4000
_PARAMETER = re.compile(r"(?<!:):(\w+)")
_FILL = (
    """
    INSERT INTO projects (organization, project, state, version)
    SELECT 'org-' || n % 20, 'project-' || n, 'Active', 1 FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds,
        payment_profile)
    SELECT 'org-' || n % 20, 'account-' || n, 1, 1, 1, 'Provisioning', '[]', '[]', 'profile-' || n
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO bindings (organization, project, number, account, from_instant)
    SELECT 'org-' || n % 20, 'project-' || n, 1, 'account-' || (n - 1) % 1000 + 1, now()
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO former_payers
    SELECT 'org-' || n % 20, 'account-' || n, now() FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO payment_profiles (organization, payment_profile, kind, state, version, origin, due_at)
    SELECT 'org-' || n % 20, 'profile-' || n, 'CreditCard', 'Valid', 1, '{}', now() + n * interval '1 hour'
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO pending_bindings
    SELECT 'org-' || n % 20, 'project-' || n, 1, CASE WHEN n % 2 = 0 THEN 'Waiting' ELSE 'Scheduled' END,
        now() + n * interval '1 hour', 'account-' || n, '{}', '/source', 'type', '{}'
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO fan_outs
    SELECT 'org-' || n, 'account-' || n, 1, 'AccountReady', 'RequirementsMet', '', now(), '', '{}'
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO organizations SELECT 'org-' || n, NULL FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO account_contacts SELECT 'org-' || n % 20, 'account-' || n, 'key', 'wrapped', 'sealed'
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO retired_uids SELECT 'org-' || n % 20, 'project-' || n, 'uid' FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO inbox SELECT 'org-' || n % 20, '/source', 'id-' || n, 'print', n % 48, n / 48 + 1
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO forgotten_commands
    SELECT n / 48 + 1, n % 48, command_digest('org-' || n % 20, '/old', 'id-' || n), decode('0011223344556677', 'hex')
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO handled_records SELECT 'billing.projects', n % 12, n, now() FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO dead_letters (topic, partition, "offset", timestamp, reason, detail, recorded_at, organization, size)
    SELECT 'billing.projects', n % 12, n, now(), 'Tombstone', '', now(), 'org-' || n % 20, 0
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO dead_letter_actions (number, ordinal, action, by, at, redrive_id)
    SELECT number, 1, 'Redriven', 'ada', now(), gen_random_uuid() FROM dead_letters
    """,
    """
    INSERT INTO log SELECT n % 48, n / 48 + 1, now(), 'notices', NULL, 'value', 'hash', 'org-' || n % 20
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO archived_log
    SELECT n % 48, n / 48 * 10 + 1, n / 48 * 10 + 10, now(), now(), NULL, 'h', 'file', 1, 'h', 1, 'h', 'name', 'h'
    FROM generate_series(1, :projects) AS n
    """,
    """
    INSERT INTO account_phases
    SELECT 'org-' || n % 20, 'account-' || n, 1, NULL, 'Provisioning', 'Created', '', 'alice', 'c1', now()
    FROM generate_series(1, :projects) AS n
    """,
)
_NAMED = {"a": ["org-1", "org-2"], "b": ["project-1", "project-2"]}
_ACCOUNTS = {"a": ["org-1", "org-2"], "b": ["account-1", "account-2"]}
_PROFILES = {"a": ["org-1", "org-2"], "b": ["profile-1", "profile-2"]}
_PROJECT: dict[str, Any] = {"organization": "org-1", "project": "project-1"}
_ACCOUNT: dict[str, Any] = {"organization": "org-1", "account": "account-1"}
_IDENTITIES: dict[str, Any] = {"a": ["org-1"], "b": ["/source"], "c": ["id-1"]}
_OLD: dict[str, Any] = {"names": ["org-1"], "positions": [9], "shards": [1], "bounds": [9], "row_limit": 10}
_PLACES_GONE: dict[str, Any] = {"topics": ["t"], "partitions": [1], "beginnings": [9], "row_limit": 10}
_LETTERS_DONE: dict[str, Any] = {"after": 9, "before": datetime(2026, 1, 1, tzinfo=UTC), "row_limit": 10}
_PLACES = {"a": ["t"], "b": [1], "c": [1], "d": [2]}
_CHANGED = {
    "organization": ["org-1"], "project": ["project-1"], "state": ["Active"], "version": [1], "uid": [None],
    "display_name": [None],
}  # fmt: skip
_SMALL = "installation|shards|published|archived_log"
"""Tables with a row for each shard, with some (here none), or one: they are read as a whole."""
_AT = {**_PROJECT, "at": datetime(2026, 1, 1, tzinfo=UTC)}
_WHO_PAYS = text(
    WHO_PAYS.replace("$1", ":organization")
    .replace("$2", ":project")
    .replace("$3", "CAST(:at AS timestamptz)")
    .replace("$4", "5")
)
_FAN_OUT: dict[str, Any] = {
    **_ACCOUNT, "told": "project-", "instant": datetime(2026, 1, 1, tzinfo=UTC), "row_limit": 1001,
}  # fmt: skip
_RANGE: dict[str, Any] = {
    "shard": 1, "position": 40, "until": 60, "topics": ["notices"], "key": None, "row_limit": 9,
}  # fmt: skip
_FINAL = {
    "organization": ["org-1"], "source": ["/source"], "command_id": ["id-1"], "shard": [1], "position": [9],
    "outcome": ["Applied"],
}  # fmt: skip


@pytest_asyncio.fixture(scope="module")
async def filled(services: Addresses, template: str) -> AsyncIterator[AsyncEngine]:
    """A database with some thousand rows per table and current statistics."""
    async with database(services, template) as (_, url):
        engine = create_engine(url)
        async with engine.begin() as connection:
            for statement in _FILL:
                await connection.execute(text(statement), {"projects": _PROJECTS})
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("ANALYZE"))
        yield engine
        await engine.dispose()


async def _plan(connection: AsyncConnection, statement: Statement | TextClause, values: dict[str, Any]) -> str:
    """Return the plan for these values."""
    rows = await connection.execute(text(f"EXPLAIN {statement.text}"), values)
    return _without_empty_partition(rows.scalars())


async def _generic_plan(connection: AsyncConnection, statement: Statement | TextClause) -> str:
    """Return the generic plan, which the server may use once it has planned a few times."""
    names = list(dict.fromkeys(_PARAMETER.findall(statement.text)))
    numbered = _PARAMETER.sub(lambda found: f"${names.index(found.group(1)) + 1}", statement.text)
    await connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
    await connection.exec_driver_sql(f"PREPARE planned AS {numbered}")
    nulls = f"({', '.join(['NULL'] * len(names))})" if names else ""
    rows = await connection.exec_driver_sql(f"EXPLAIN EXECUTE planned{nulls}")
    await connection.exec_driver_sql("DEALLOCATE planned")
    return _without_empty_partition(rows.scalars())


def _without_empty_partition(lines: Iterable[str]) -> str:
    # The partition kept in reserve is empty: scanning it costs nothing.
    return "\n".join(line for line in lines if "on log_p1" not in line)


@pytest.mark.parametrize(
    ("statement", "values"),
    (
        pytest.param(load._ACCOUNTS, _ACCOUNTS, id="accounts"),
        pytest.param(load._ATTACHED_ACCOUNTS, _PROFILES, id="attached accounts"),
        pytest.param(load._PROFILES, _PROFILES, id="profiles"),
        pytest.param(load._PROJECTS, _NAMED, id="projects"),
        pytest.param(load._BOUND, {**_ACCOUNTS, "row_limit": 500}, id="bound projects"),
        pytest.param(load._PAGE, _FAN_OUT, id="page of a fan-out"),
        pytest.param(
            load._WAITED_FOR,
            {**_ACCOUNTS, "now": datetime(2026, 1, 1, tzinfo=UTC)},
            id="projects that wait for accounts",
        ),
        pytest.param(load._OVERDUE, {"a": ["org-1"]}, id="overdue bindings"),
        pytest.param(load._PENDING, _NAMED, id="pending bindings"),
        pytest.param(load._FAN_OUTS, {"a": ["org-1"]}, id="fan-outs"),
        pytest.param(load._ORGANIZATIONS, {"a": ["org-1"]}, id="organizations"),
        pytest.param(
            store._DELETE_PENDING,
            {"organization": ["org-1"], "project": ["project-1"], "number": [1]},
            id="delete pending bindings",
        ),
        pytest.param(
            store._DELETE_FAN_OUTS,
            {"organization": ["org-1"], "account": ["account-1"], "number": [1]},
            id="delete fan-outs",
        ),
        pytest.param(store._MOVE_CLAIMS, _FINAL, id="move claims"),
        pytest.param(contacts._FIND, _ACCOUNT, id="contact"),
        pytest.param(load._RETIRED_UIDS, {**_NAMED, "c": ["uid", "uid"]}, id="retired uids"),
        pytest.param(load._CLAIMED, _IDENTITIES, id="claimed"),
        pytest.param(load._RESULTS, _IDENTITIES, id="results asked for again"),
        pytest.param(forgetting._ORGANIZATIONS, {"name": "org-1", "row_limit": 10}, id="organizations with commands"),
        pytest.param(forgetting._FORGET, _OLD, id="forgotten"),
        pytest.param(forgetting._FORGET_PLACES, _PLACES_GONE, id="forgotten places"),
        pytest.param(forgetting._FORGET_LETTERS, _LETTERS_DONE, id="erased dead letters"),
        pytest.param(forgetting._LET_GO, {"numbers": [1, 2]} | _PLACES_GONE, id="dead letters that go"),
        pytest.param(load._HANDLED, _PLACES, id="handled"),
        pytest.param(dead_letter_actions._EXPECTED, {"ids": [uuid4()]}, id="redriven"),
        pytest.param(
            dead_letter_actions._ARRIVE,
            {"ids": [uuid4()], "partitions": [0], "offsets": [1], "timestamps": [datetime(2026, 1, 1, tzinfo=UTC)]},
            id="read where it was redriven to",
        ),
        pytest.param(dead_letters._FIND, {"numbers": [1, 2]}, id="dead letters by number"),
        pytest.param(store._UPDATE_PROJECTS, _CHANGED, id="update projects"),
        pytest.param(
            log._READ, {"shards": [1, 2], "positions": [40, 60], "row_limit": 9, "byte_limit": 99}, id="read the log"
        ),
        pytest.param(history._ROWS_AT, {"shard": 1, "positions": [3, 9]}, id="rows of the log"),
        pytest.param(history._INSTANTS, {"shards": [1, 2], "positions": [40, 60]}, id="instants of the log"),
        pytest.param(_WHO_PAYS, _AT, id="who pays"),
        pytest.param(_WHO_PAYS, {**_AT, "at": None}, id="who pays now"),
        pytest.param(projects._PROJECT, _PROJECT, id="project"),
        pytest.param(intervals._TIMELINE, _PROJECT, id="timeline"),
        pytest.param(accounts._ACCOUNT, {**_ACCOUNT, "row_limit": 20}, id="account"),
        pytest.param(accounts._HISTORY, _ACCOUNT, id="history"),
        pytest.param(accounts._PROJECTS_OF_ACCOUNT, _ACCOUNT, id="projects of an account"),
        pytest.param(
            results.command_statement(is_of_source=True, is_narrow=False),
            {"organization": "org-1", "command_id": "id-1", "source": "/source"},
            id="results",
        ),
        pytest.param(catalog._PARTS_BEYOND, {"shard": 1, "position": 40}, id="files of the archive"),
        pytest.param(catalog._SHARDS, {}, id="what may be archived"),
        pytest.param(catalog._ENDS, {"position": 40}, id="ends of a partition"),
        pytest.param(
            archived_results.ARCHIVED,
            {"organization": "org-1", "command_id": "id-1", "source": "/source"},
            id="archived results",
        ),
        pytest.param(
            archived_results.ARCHIVED,
            {"organization": "org-1", "command_id": "id-1", "source": None},
            id="archived results of any source",
        ),
    ),
)
async def test_no_table_is_scanned(
    filled: AsyncEngine, statement: Statement | TextClause, values: dict[str, Any]
) -> None:
    async with filled.connect() as connection:
        plans = [await _plan(connection, statement, values), await _generic_plan(connection, statement)]
    for plan in plans:
        assert not re.search(f"Seq Scan on (?!{_SMALL})", plan), plan
        assert "Index" in plan, plan


@pytest.mark.parametrize(
    ("statement", "values"),
    (
        pytest.param(history._ROWS_OF_SHARD, {**_RANGE, "byte_limit": 99}, id="history of a shard"),
        pytest.param(history._SUBJECTS_OF_SHARD, _RANGE, id="subjects of a shard"),
        pytest.param(
            history._ROWS_OF_BOUNDARY,
            {**_RANGE, "boundary": "org-1", "byte_limit": 99},
            id="history of an organization",
        ),
        pytest.param(history._SUBJECTS_OF_BOUNDARY, {**_RANGE, "boundary": "org-1"}, id="subjects of an organization"),
    ),
)
async def test_ranges_of_the_log_are_found_by_an_index(
    filled: AsyncEngine, statement: Statement | TextClause, values: dict[str, Any]
) -> None:
    async with filled.connect() as connection:
        plan = await _plan(connection, statement, values)
        # Of a range that nobody knows no partition is left in the plan.
        assert "Seq Scan" not in await _generic_plan(connection, statement)
    assert "Seq Scan" not in plan, plan
    assert f"using log_p0_{'boundary_position_idx' if 'boundary' in values else 'pkey'}" in plan, plan


async def test_a_result_is_found_by_its_command_without_a_source(filled: AsyncEngine) -> None:
    async with filled.connect() as connection:
        values = {"organization": "org-1", "command_id": "id-1"}
        statement = results.command_statement(is_of_source=False, is_narrow=False)
        plan = await _plan(connection, statement, values)
    assert "Seq Scan" not in plan, plan


async def test_what_is_due_for_an_account_is_found_by_its_instant(filled: AsyncEngine) -> None:
    """However much is pending in its organization."""
    async with filled.connect() as connection:
        values = {**_ACCOUNTS, "now": datetime(2026, 1, 1, tzinfo=UTC)}
        plans = [await _plan(connection, load._WAITED_FOR, values), await _generic_plan(connection, load._WAITED_FOR)]
    for plan in plans:
        assert "using pending_bindings_due" in plan, plan


@pytest.mark.parametrize("index", ("pending_bindings_due", "payment_profiles_due"))
async def test_what_is_due_is_found_by_its_instant(filled: AsyncEngine, index: str) -> None:
    """Nothing that is not yet due is read, however much there is; only fan-outs are always due."""
    async with filled.connect() as connection:
        plans = [await _plan(connection, timers._DUE, {"row_limit": 500}), await _generic_plan(connection, timers._DUE)]
    for plan in plans:
        assert f"using {index}" in plan, plan
        assert set(re.findall(r"Seq Scan on (\w+)", plan)) <= {"fan_outs"}, plan
