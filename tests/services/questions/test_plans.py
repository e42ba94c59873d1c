"""Every question is found by an index: nothing is looked at that it does not ask for, however large the tables are.

The tables hold some thousand rows and say that they hold 250 times as many: plans are made for 1,000,000 projects. The
variant that runs with `make chaos` fills in as many.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any, get_args

import pytest
import pytest_asyncio
from sqlalchemy import TextClause

from db import replays as kept_replays
from db.dead_letters import Choice, chosen_by, list_statement
from db.driver import Statement
from db.questions import (
    accounts,
    events,
    intervals,
    lookups,
    organizations,
    payers,
    projects,
    results,
    seen_results,
    snapshots,
)
from db.questions import asked as audited
from db.questions.projects import Kind
from db.questions.resources import bindings, watched
from db.questions.resources import projects as of_projects
from db.reading import ReadingPool
from embedded import Addresses
from schemas.facts import ProjectState
from schemas.instants import format_instant
from schemas.records import DeadLetterReason
from tests.services.questions.filled import PROJECTS, filled_in, nodes_of, plans_of

_FEW = 4_000
_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture(
    scope="module", params=(_FEW, pytest.param(PROJECTS, marks=pytest.mark.chaos)), ids=("told", "filled in")
)
async def filled(services: Addresses, template: str, request: pytest.FixtureRequest) -> AsyncIterator[ReadingPool]:
    """A pool of the service's sessions to a database with the statistics of 1,000,000 projects."""
    async with filled_in(services, template, request.param) as pool:
        yield pool


_ORGANIZATION = {"organization": "org-1"}
_PROJECT = _ORGANIZATION | {"project": "project-21"}
_ACCOUNT = _ORGANIZATION | {"account": "account-21"}
_ALL_NAMES = {"lows": [""], "highs": ["{"]}


def _asked(name: str, statement: Statement | TextClause, values: dict[str, Any], *indexes: str) -> Any:
    return pytest.param(statement, values, set(indexes), id=name)


def _of_one_thing() -> Iterator[Any]:
    yield _asked("snapshots", snapshots._SNAPSHOTS, {"shards": [1, 2]}, "log_p0_pkey")
    counted = ("accounts_by_phase|accounts_pkey", "projects_by_account", "projects_unbound")
    yield _asked("organization", organizations._ORGANIZATION, _ORGANIZATION, "organizations_pkey", *counted)
    of_project = ("projects_pkey", "accounts_pkey", "pending_bindings_pkey")
    yield _asked("project", projects._PROJECT, _PROJECT, *of_project)
    beside = projects._PROJECT_AND_SNAPSHOT
    yield _asked("project and snapshot", beside, _PROJECT | {"shards": [1]}, *of_project, "log_p0_pkey")
    held = ("projects_pkey", "bindings_pkey", "accounts_pkey")
    gathered = {"shards": [1] * 30, "organizations": ["org-1"] * 30, "projects": ["project-21"] * 30}
    instants = {"instants": [_AT] * 30}
    yield _asked("gathered payers", payers._PAYERS, gathered | instants, *held, "log_p0_pkey")
    many = {
        "organizations": ["org-1"] * 10_000, "projects": ["project-21"] * 10_000, "shards": [1] * 10_000,
        "instants": [format_instant(_AT)] * 10_000, "closed": [None] * 48, "now": format_instant(_AT), "separator": ",",
    }  # fmt: skip
    yield _asked("lookup", lookups._LOOKUP, many, *held)
    found = ("accounts_pkey", "projects_by_account", "former_payers_pkey", "payment_profiles_pkey")
    yield _asked("account", accounts._ACCOUNT, _ACCOUNT | {"row_limit": 20}, *found)
    yield _asked("a known project", intervals._KNOWN_PROJECT, _PROJECT, "projects_pkey")
    yield _asked("a known account", intervals._KNOWN_ACCOUNT, _ACCOUNT, "accounts_pkey")
    command = _ORGANIZATION | {"command_id": "id-1", "source": "/source"}
    for is_of_source in (True, False):
        statement = results.command_statement(is_of_source=is_of_source, is_narrow=False)
        indexes = ("inbox_pkey", "forgotten_commands_pkey", "log_p0_pkey")
        yield _asked("result of a command", statement, command, *indexes)


def _lists() -> Iterator[Any]:
    page = _ORGANIZATION | {"row_limit": 101}
    chosen = _ALL_NAMES | {"phases": ["Archived", "Ready"], "after": ""}
    yield _asked("accounts", accounts._ACCOUNTS, page | chosen, "accounts_by_phase")
    of_phases = page | _ACCOUNT | {"after_number": 0}
    yield _asked("phases", accounts._PHASES, of_phases, "account_phases_pkey", "log_p0_pkey")
    of_project = _PROJECT | {"begin": _AT, "end": _AT, "after_number": 0, "is_settled": True, "row_limit": 101}
    found = ("bindings_pkey", "accounts_pkey")
    for statement in (intervals._OF_PROJECT, intervals._LINES_OF_PROJECT):
        yield _asked("intervals of a project", statement, of_project, *found)
    of_account = of_project | _ACCOUNT | {"after_project": ""}
    for statement in (intervals._OF_ACCOUNT, intervals._LINES_OF_ACCOUNT):
        yield _asked("intervals of an account", statement, of_account, "bindings_by_account", *found)
    named = page | {"project": "project-21", "account": "account-21", "outcomes": ["Applied"], "before": 2**62}
    for names, index in (((), "outcome"), (("project",), "project"), (("account",), "account")):
        yield _asked(
            f"results by {index}", results.results_statement(*names), named, f"inbox_by_{index}", "log_p0_pkey"
        )
    both = results.results_statement("project", "account")
    yield _asked("results by project and account", both, named, "inbox_by_project", "log_p0_pkey")
    letters: dict[str, Any] = {"before": 2**62, "row_limit": 101}
    for choice, index in (
        (Choice(), "dead_letters_number_key"),
        (Choice(organization="org-1"), "dead_letters_by_organization"),
        (Choice(topic="billing.projects"), "dead_letters_by_topic"),
        (Choice(reason=DeadLetterReason.TOMBSTONE), "dead_letters_by_reason"),
    ):
        conditions, values = chosen_by(choice)
        yield _asked(index, list_statement(*conditions), letters | values, index, "dead_letter_actions_pkey")
    conditions, values = chosen_by(Choice(places=(("billing.projects", 3, 4711),)))
    by_place = "dead_letters_pkey", "dead_letters_number_key", "dead_letter_actions_pkey"
    yield _asked("dead letters by place", list_statement(*conditions), letters | values, *by_place)
    replay = {"begun_at": _AT, "name": "", "organizations": None, "row_limit": 101}
    yield _asked("replays", kept_replays._LIST, replay, "replays_by_beginning")


def _projects() -> Iterator[Any]:
    page = _ACCOUNT | {"row_limit": 101, "after": "", "at": _AT}
    every: list[tuple[Kind, ProjectState | None]] = list(product(get_args(Kind), (*get_args(ProjectState), None)))
    for (kind, state), is_past in product(every, (False, True)):
        by_state = {"Inactive": "projects_inactive", "Deleted": "projects_deleted"}
        index = by_state.get(state or "", "projects_unbound" if kind == "Unbound" else "projects_pkey")
        indexes = [index, "accounts_pkey", *(["bindings_pkey"] if is_past else [])]
        if kind == "Paid":
            indexes += ["bindings_by_account"] if is_past else ["projects_by_account"]
            if not is_past:
                indexes.remove(index)
        if is_past and kind in ("Bound", "Unbound"):
            continue
        name = f"{kind} projects, {state}, {'then' if is_past else 'now'}"
        yield _asked(name, projects.projects_statement(kind, state, is_past=is_past), page, *indexes)


def _within_reach() -> Iterator[Any]:
    """Return what is asked for somebody who was granted some names, and what begins with some."""
    spans = {"lows": ["project-21", "project-3"], "highs": ["project-21", "project-3{"]}
    page = _ACCOUNT | spans | {"row_limit": 101, "after": "", "at": _AT}
    narrow: list[tuple[Kind, ProjectState | None, bool, str]] = [
        ("Any", None, False, "projects_pkey"),
        ("Unbound", None, False, "projects_unbound"),
        ("Any", "Deleted", False, "projects_deleted"),
        ("Paid", None, False, "projects_by_account"),
        ("Any", None, True, "projects_pkey|bindings_pkey"),
    ]
    for kind, state, is_past, index in narrow:
        statement = projects.projects_statement(kind, state, is_past=is_past, is_narrow=True)
        found = [*index.split("|"), "accounts_pkey"]
        yield _asked(f"within reach: {kind} projects, {state}, {'then' if is_past else 'now'}", statement, page, *found)
    seen = {
        "seen_projects": ["project-21"], "seen_project_prefixes": ["project-3"],
        "seen_accounts": ["account-21"], "seen_account_prefixes": ["account-4"],
    }  # fmt: skip
    chosen = _ORGANIZATION | seen | {"outcomes": ["Applied"], "before": 2**62, "row_limit": 101}
    yield _asked("latest results", seen_results._AMONG_LATEST, chosen, "inbox_by_outcome", "log_p0_pkey")
    by_name = ("inbox_by_project", "inbox_by_account", "log_p0_pkey")
    yield _asked("results by name", seen_results._BY_NAME, chosen, *by_name)
    reached = {f"{kind}_{end}": [f"{kind}-2"] for kind in ("account", "project") for end in ("lows", "highs")}
    counted = _ORGANIZATION | reached | {"phases": ["Archived", "Ready"]}
    yield _asked("numbers", organizations._REACHED, counted, "organizations_pkey", "accounts_by_phase", "projects_pkey")
    of_one = _ORGANIZATION | reached | {"row_limit": 501, "after_name": "", "after_number": 0}
    yield _asked("resources: projects within reach", of_projects._REACHED_PROJECTS, of_one, "projects_pkey")
    active = ("projects_pkey", "projects_by_account", "accounts_pkey|accounts_by_phase", "bindings_pkey")
    yield _asked("resources: bindings seen", bindings._seen_bindings(True), of_one, *active)
    every = ("bindings_pkey", "bindings_by_account", "accounts_pkey|accounts_by_phase")
    yield _asked("resources: all bindings seen", bindings._seen_bindings(False), of_one, *every)
    letters = {"organizations": ["org-1", "org-2"], "before": 2**62, "row_limit": 101}
    found = ["dead_letters_by_organization", "dead_letter_actions_pkey"]
    yield _asked("dead letters of some", list_statement(is_narrow=True), letters, *found)


def _resources() -> Iterator[Any]:
    page = _ACCOUNT | {"row_limit": 501, "after_name": "", "after_number": 0}
    for is_active, named, *indexes in (
        (True, (), "projects_pkey"),
        (True, ("account",), "projects_by_account"),
        (False, (), "bindings_pkey"),
        (False, ("account",), "bindings_by_account", "bindings_pkey"),
    ):
        name = f"resources: {'active' if is_active else 'all'} bindings of {named or 'all'}"
        yield _asked(name, bindings._bindings(True, is_active, named), page, *indexes)
    yield _asked("resources: projects", of_projects._projects(True, False), page, "projects_pkey")


@pytest.mark.parametrize(
    ("statement", "values", "indexes"), (*_of_one_thing(), *_lists(), *_projects(), *_within_reach(), *_resources())
)
async def test_nothing_is_looked_at_in_vain(
    filled: ReadingPool, statement: Statement | TextClause, values: dict[str, Any], indexes: set[str]
) -> None:
    async with filled.acquire() as connection:
        for plan in await plans_of(connection, statement, values):
            nodes = list(nodes_of(plan))
            scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
            assert scanned <= _SMALL, plan
            used = {node["Index Name"] for node in nodes if "Index Name" in node}
            # Some rows are counted by any of several indexes.
            assert {next((any_ for any_ in indexes if name in any_.split("|")), name) for name in used} == indexes, plan
            # What is sorted is merged, of each kind no more than a page; or it is what waits for one project.
            for sort in (node for node in nodes if node["Node Type"] == "Sort"):
                is_limited = any(inner["Node Type"] == "Limit" for inner in nodes_of(sort))
                assert is_limited or sort["Sort Key"] == ["pending.number"], plan


async def test_events_are_found_by_their_organization(filled: ReadingPool) -> None:
    values = _ORGANIZATION | {"topics": ["notices"], "only": None, "after": 3, "until": 60, "row_limit": 101}
    async with filled.acquire() as connection:
        planned, generic = await plans_of(connection, events._EVENTS, values)
    assert [node.get("Index Name") for node in nodes_of(planned)][-1] == "log_p0_boundary_position_idx", planned
    # Of a range that nobody knows no partition is left in the plan.
    assert all("Seq Scan" not in node["Node Type"] for plan in (planned, generic) for node in nodes_of(plan))


@pytest.mark.parametrize(
    ("statement", "index"),
    (
        (audited.OF_PERSON, "boundary_expr_position"),
        (audited.OF_EVERYBODY, "boundary_position"),
        (audited.LAST_LOOKED_AT, "boundary_position"),
    ),
)
async def test_who_asked_is_found_by_organization_and_person(
    filled: ReadingPool, statement: Statement, index: str
) -> None:
    values = _ORGANIZATION | {"person": "person-1", "first": 0, "before": 2**62, "row_limit": 101}
    values |= {"looked_at": 20_000, "others": 19_999}
    async with filled.acquire() as connection:
        planned, generic = await plans_of(connection, statement, values)
    nodes = [node for node in nodes_of(planned) if node.get("Relation Name") != "log_p1"]
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {f"log_p0_{index}_idx"}, planned
    # Of a range that nobody knows no partition is left in the plan.
    assert not any(node["Node Type"] in ("Seq Scan", "Sort") for node in [*nodes, *nodes_of(generic)]), generic


async def test_an_account_at_a_position_is_found_by_its_events(filled: ReadingPool) -> None:
    earlier = _ORGANIZATION | {"accounts": ["account-21"], "position": 10}
    async with filled.acquire() as connection:
        planned, _ = await plans_of(connection, watched._ACCOUNTS_AT, earlier)
    found = {node["Index Name"] for node in nodes_of(planned) if "Index Name" in node}
    assert found == {"account_phases_pkey", "log_p0_boundary_key_position_idx"}, planned


async def test_an_account_that_the_archive_tells_of_is_found_by_what_followed(filled: ReadingPool) -> None:
    earlier = _ORGANIZATION | {"accounts": ["account-21"], "position": 10}
    async with filled.acquire() as connection:
        planned, _ = await plans_of(connection, watched.ARCHIVED_AT, earlier)
    nodes = [node for node in nodes_of(planned) if node.get("Relation Name") not in _SMALL]
    found = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert found == {"account_phases_pkey", "log_p0_boundary_key_position_idx", "log_p0_pkey"}, planned
    assert not any(node["Node Type"] in ("Seq Scan", "Sort") for node in nodes), planned


async def test_the_first_position_is_the_end_of_an_index(filled: ReadingPool) -> None:
    async with filled.acquire() as connection:
        for plan in await plans_of(connection, events._FIRST_POSITION, {"shards": [1]}):
            nodes = list(nodes_of(plan))
            assert {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"} <= _SMALL
            assert "log_p0_pkey" in {node.get("Index Name") for node in nodes}


_SMALL = {"shards", "published", "log_p1"}
"""A row a shard; and the partition that is kept in reserve, and empty."""
