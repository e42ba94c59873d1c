"""Migration 0008: former bindings in tables where intervals touch by construction."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.migrate import migrate
from db.refusal import BrokenPromises
from db.revisions import check, head_revision
from domain.bindings import bind
from domain.decision import Clock, Context
from domain.needs import Needs
from domain.state import Account, Origin
from schemas.events import BindingChanged
from schemas.policy import OperatorPolicy
from tests.services.db.earlier_tables import SHARDS, migrated_to, run
from tests.services.db.storing import kept

_START = datetime(2026, 1, 1, tzinfo=UTC)
_BINDING = (
    "INSERT INTO bindings (organization, project, number, account, established_at, ended_at, released, "
    "previous_ended_at) VALUES {}"
)
_PROJECT = (
    "INSERT INTO projects (organization, project, state, version, uid, display_name, bindings, sequence) "
    "VALUES ('acme', '{}', 'Active', 7, 'u-1', 'é', {}, {})"
)
_ACCOUNTS = (
    "INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds) "
    "SELECT 'acme', account, 1, 1, 1, 'Provisioning', '[]', '[]' FROM unnest(array['a', 'b']) AS named(account)"
)
_OF_BEFORE = ("bindings_touch", "bindings_refuse_change")
"""Functions that databases have which were at 0005 to 0007 for a while."""
_FUNCTION = "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"

Old = tuple[int, str, int, int | None, bool]
"""Number, account, start and end in hours, and whether it was released."""


def _at(hours: int | None) -> str:
    return "NULL" if hours is None else f"'{(_START + timedelta(hours=hours)).isoformat()}'"


def _rows(project: str, olds: list[Old]) -> str:
    """Return one statement that inserts bindings, each starting where the one before it ended."""
    before = [None, *(until for _, _, _, until, _ in olds)]
    return _BINDING.format(
        ", ".join(
            f"('acme', '{project}', {number}, '{account}', {_at(since)}, {_at(until)}, {released}, {_at(previous)})"
            for (number, account, since, until, released), previous in zip(olds, before, strict=False)
        )
    )


def _published_id(project: str, number: int) -> str:
    """Return the id that events of earlier versions contained."""
    return str(uuid5(NAMESPACE_URL, f"whopays:acme/{project}/{number}"))


async def _all(engine: AsyncEngine, statement: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


_KEPT: dict[str, list[Old]] = {
    "never-deleted": [(1, "a", 0, 2, False), (2, "b", 2, 5, False), (3, "a", 5, None, False)],
    "gone": [(1, "a", 1, 3, False), (2, "b", 3, 4, True)],
    "re-created": [(1, "b", 0, 1, True), (2, "b", 2, 6, True), (3, "a", 7, None, False)],
}


async def test_payers_of_an_earlier_version(empty: AsyncEngine) -> None:
    await migrated_to(empty, "0007")
    await run(empty, _ACCOUNTS, _PROJECT.format("unbound", 0, 0), *map(_FUNCTION.format, _OF_BEFORE))
    await run(empty, _PROJECT.format("never-deleted", 3, 3), _rows("never-deleted", _KEPT["never-deleted"]))
    await run(empty, _PROJECT.format("gone", 2, 3), _rows("gone", _KEPT["gone"]))
    await run(empty, _PROJECT.format("re-created", 3, 5), _rows("re-created", _KEPT["re-created"]))
    assert await migrate(empty, "here", SHARDS) == ("0007", head_revision())
    await check(empty, "here", SHARDS, is_disposable=True)

    hours = f"CAST(extract(epoch FROM from_instant - {_at(0)}) / 3600 AS integer)".replace(":", "\\:")
    found = await _all(
        empty,
        f"SELECT project, number, account, {hours}, legacy_id FROM bindings ORDER BY project, number",  # noqa: S608
    )
    assert found == [
        ("gone", 1, "a", 1, _published_id("gone", 1)),
        ("gone", 2, "b", 3, _published_id("gone", 2)),
        ("gone", 3, None, 4, None),
        ("never-deleted", 1, "a", 0, _published_id("never-deleted", 1)),
        ("never-deleted", 2, "b", 2, _published_id("never-deleted", 2)),
        ("never-deleted", 3, "a", 5, _published_id("never-deleted", 3)),
        ("re-created", 1, "b", 0, _published_id("re-created", 1)),
        ("re-created", 2, None, 1, None),
        ("re-created", 3, "b", 2, _published_id("re-created", 2)),
        ("re-created", 4, None, 6, None),
        ("re-created", 5, "a", 7, _published_id("re-created", 3)),
    ]
    heads = await _all(empty, "SELECT project, number, account, payer_since, legacy_id FROM projects ORDER BY project")
    assert heads == [
        ("gone", 3, None, _START + timedelta(hours=4), None),
        ("never-deleted", 3, "a", _START + timedelta(hours=5), _published_id("never-deleted", 3)),
        ("re-created", 5, "a", _START + timedelta(hours=7), _published_id("re-created", 3)),
        ("unbound", 0, None, None, None),
    ]
    reported = await _all(empty, "SELECT DISTINCT organization, state, version, uid, display_name FROM projects")
    assert reported == [("acme", "Active", 7, "u-1", "é")]
    ends = await _all(empty, "SELECT account, last_ended_at FROM former_payers ORDER BY account")
    assert ends == [("a", _START + timedelta(hours=3)), ("b", _START + timedelta(hours=6))]
    functions = {name for (name,) in await _all(empty, "SELECT proname FROM pg_proc")}
    assert not functions & {*_OF_BEFORE}


async def test_what_was_published_stays_as_it_was(empty: AsyncEngine) -> None:
    """After the migration `previous.bindingId` is what was published as `current.bindingId` before it."""
    await migrated_to(empty, "0007")
    await run(empty, _ACCOUNTS, _PROJECT.format("web", 1, 1), _rows("web", [(1, "a", 0, None, False)]))
    await migrate(empty, "here", SHARDS)
    needs = Needs(projects={("acme", "web")})
    project = (await kept(empty, needs=needs)).book.project("acme", "web")
    assert project is not None
    origin = Origin(caused_by="c", sender="ann")
    context = Context(Clock(_START + timedelta(days=1)), OperatorPolicy(), origin, is_command=True)
    rebinding = bind(project, Account(organization="acme", account="b"), context, context.clock.next())
    event = rebinding.event.event
    assert isinstance(event, BindingChanged)
    assert event.previous is not None
    assert (event.previous.binding_id, rebinding.binding.binding_id) == (_published_id("web", 1), "acme/web/2")
    assert (await kept(empty, *rebinding.changes, needs=needs)).book.project("acme", "web") == rebinding.project


@pytest.mark.parametrize(
    ("words", "olds", "counted"),
    (
        ("nobody pays between binding 1 and 2", [(1, "a", 0, 2, False), (2, "b", 3, None, False)], (2, 2)),
        ("bindings 1 and 2 overlap", [(1, "a", 0, 4, False), (2, "b", 3, None, False)], (2, 2)),
        ("binding 2 ends at 2026-01-01T02:00:00.000000Z", [(1, "a", 0, 2, False), (2, "b", 2, 2, True)], (2, 3)),
        ("binding 2 begins at the instant", [(1, "a", 0, 2, True), (2, "b", 2, None, False)], (2, 3)),
        ("binding 2 is missing", [(1, "a", 0, 2, False), (3, "b", 2, None, False)], (3, 3)),
        ("binding 1 is missing", [(2, "a", 0, None, False)], (2, 2)),
        ("the payer of the one before", [(1, "a", 0, 2, False), (2, "a", 2, None, False)], (2, 2)),
        ("2 changes of payer; the project counts 2 and 3", [(1, "a", 0, 2, False), (2, "b", 2, None, False)], (2, 3)),
        ("the project counts 1 and 2", [(1, "a", 0, 2, False), (2, "b", 2, None, False)], (1, 2)),
        ("was superseded, but has no successor", [(1, "a", 0, 2, False)], (1, 1)),
        ("have no bindings: acme/web", [], (1, 1)),
        ("These accounts pay, or paid, but are missing: acme/c", [(1, "c", 0, None, False)], (1, 1)),
    ),
)
async def test_broken_promises_are_refused(
    empty: AsyncEngine, words: str, olds: list[Old], counted: tuple[int, int]
) -> None:
    await migrated_to(empty, "0007")
    statements = [_rows("web", olds)] if olds else []
    constraints = ("bindings_interval_not_empty", "bindings_first_has_no_previous", "bindings_follow_the_previous")
    await run(empty, *(f"ALTER TABLE bindings DROP CONSTRAINT {name}" for name in constraints))
    await run(empty, _ACCOUNTS, _PROJECT.format("web", *counted), *statements, unheld=True)
    with pytest.raises(BrokenPromises, match=words):
        await migrate(empty, "here", SHARDS)
    assert await _all(empty, "SELECT version_num FROM alembic_version") == [("0007",)]
    assert len(await _all(empty, "SELECT established_at FROM bindings")) == len(olds)


async def test_five_examples_of_what_is_broken_are_named(empty: AsyncEngine) -> None:
    await migrated_to(empty, "0007")
    for number in range(7):
        broken = _rows(f"p{number}", [(1, "a", 0, 2, False)])
        await run(empty, _PROJECT.format(f"p{number}", 1, 1), broken, unheld=True)
    await run(empty, _ACCOUNTS, _rows("nowhere", [(1, "a", 0, None, False)]))
    with pytest.raises(BrokenPromises, match=r"of 8 projects .* acme/nowhere: .*the project is missing") as refused:
        await migrate(empty, "here", SHARDS)
    assert str(refused.value).count("acme/") == 5


async def _many(engine: AsyncEngine, projects: int) -> None:
    """Insert five bindings per project; the second, and every third project's last, was released."""
    await run(
        engine,
        _ACCOUNTS,
        f"INSERT INTO projects (organization, project, state, version, bindings, sequence) "  # noqa: S608 (numbers)
        f"SELECT 'acme', 'p' || n, 'Active', 1, 5, CASE WHEN n % 3 = 0 THEN 7 ELSE 6 END "
        f"FROM generate_series(1, {projects}) AS n",
        f"INSERT INTO bindings "  # noqa: S608 (numbers)
        f"SELECT 'acme', 'p' || n, k, CASE WHEN k % 2 = 0 THEN 'a' ELSE 'b' END, {_at(0)} + k * interval '1 hour', "
        f"CASE WHEN k = 2 THEN {_at(0)} + interval '150 minutes' WHEN k < 5 OR n % 3 = 0 "
        f"THEN {_at(0)} + (k + 1) * interval '1 hour' END, k = 2 OR (k = 5 AND n % 3 = 0), "
        f"CASE WHEN k = 3 THEN {_at(0)} + interval '150 minutes' WHEN k > 1 THEN {_at(0)} + k * interval '1 hour' END "
        f"FROM generate_series(1, {projects}) AS n CROSS JOIN generate_series(1, 5) AS k".replace(
            f"{_at(0)}", f"timestamptz {_at(0)}"
        ),
    )


@pytest.mark.parametrize("projects", (5_000, pytest.param(200_000, marks=pytest.mark.chaos)))
async def test_many_bindings_in_pages(empty: AsyncEngine, projects: int) -> None:
    """Pages end in the middle of projects, and progress is reported."""
    await migrated_to(empty, "0007")
    await _many(empty, projects)
    told: list[str] = []
    began = datetime.now(UTC)
    await migrate(empty, "here", SHARDS, report=told.append)
    print(f"{5 * projects:,} bindings in {(datetime.now(UTC) - began).total_seconds():.1f} s")
    told = [line for line in told if line.startswith("0008")]
    assert told[-1] == f"0008: all {5 * projects:,} bindings; building the indexes"
    assert len(told) == 1 + 5 * projects // 100_000
    counted = await _all(empty, "SELECT count(*), count(account), count(legacy_id) FROM bindings")
    assert counted == [(6 * projects + projects // 3, 5 * projects, 5 * projects)]
    wrong = await _all(
        empty,
        "SELECT project FROM projects LEFT JOIN bindings USING (organization, project, number) "
        "WHERE (bindings.account, from_instant, bindings.legacy_id) "
        "IS DISTINCT FROM (projects.account, payer_since, projects.legacy_id) LIMIT 5",
    )
    assert wrong == []
    known = await _all(empty, "SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'public'")
    assert {("bindings",), ("former_payers",), ("projects",)} <= {*known}, "the first plans know how many there are"
    unpaid = await _all(empty, "SELECT count(*) FROM projects WHERE account IS NULL")
    assert unpaid == [(projects // 3,)]
    with pytest.raises(DBAPIError, match='"bindings_append_only"'):
        await run(empty, "DELETE FROM bindings WHERE number = 1")
