"""The questions: who pays, since when, the state of an account, and the outcome of a command."""

from datetime import timedelta
from functools import partial

import orjson
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from db.questions.accounts import account, account_history, projects_of_account
from db.questions.intervals import timeline
from db.questions.payers import paying_account
from db.questions.results import published_results
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.parsing import read_command, read_fact
from schemas.policy import OperatorPolicy
from tests.support.batches import batches, records
from tests.support.messages import account as account_command
from tests.support.messages import bind, command, profile, project
from workers.runtime.roles import Role

_LIMIT = 1_000_000


@pytest_asyncio.fixture
async def story(engine: AsyncEngine) -> AsyncEngine:
    """Two organizations; `web` of acme is paid by main, then by spare, then deleted; `api` by main."""
    settling = batches(engine)
    read_project = partial(read_fact, model=ProjectChanged, max_value_bytes=_LIMIT)
    read_profile = partial(read_fact, model=PaymentProfileChanged, max_value_bytes=_LIMIT)
    for organization in ("acme", "globex"):
        facts = records(project(organization, "web"), project(organization, "api"))
        await settling.process(Role.PROJECTS, facts, read_project)
        await settling.process(Role.PAYMENT_PROFILES, records(profile(organization)), read_profile)
    said = [
        account_command("acme", "main", displayName="Main", paymentTerms={"earlyPaymentDiscount": {"percent": "2.50",
                        "withinDays": 5}}),
        account_command("acme", "spare"),
        account_command("globex", "main"),
        bind("acme", "web", "main", "c1"),
        bind("acme", "api", "main", "c2"),
        bind("acme", "web", "spare", "c3"),
        bind("globex", "web", "main", "c1"),
        command("SuspendAccount", "c4", "acme", account="spare", reason="PaymentFailure", message="unpaid"),
        bind("acme", "none", "main", "c5"),
        bind("acme", "api", "main", "c2", ce_source="/other"),
    ]  # fmt: skip
    read_said = partial(read_command, max_value_bytes=_LIMIT, policy=OperatorPolicy())
    await settling.process(Role.ADMIN_COMMANDS, records(*said), read_said)
    await settling.process(Role.PROJECTS, records(project("acme", "web", 2, state="Deleted"), offset=9), read_project)
    return engine


async def test_who_pays_now_and_at_every_boundary(story: AsyncEngine) -> None:
    async with story.connect() as connection:
        entries = await timeline(connection, "acme", "web")
        assert [(entry.number, entry.account) for entry in entries] == [(1, "main"), (2, "spare")]
        first, second = entries
        assert first.ended_at == second.established_at
        assert second.ended_at is not None
        assert first.binding_id != second.binding_id
        tick = timedelta(microseconds=1)
        for instant, expected in (
            (first.established_at - tick, None),
            (first.established_at, "main"),
            (second.established_at - tick, "main"),
            (second.established_at, "spare"),
            (second.ended_at - tick, "spare"),
            (second.ended_at, None),
        ):
            assert await paying_account(connection, "acme", "web", instant) == expected
        assert await paying_account(connection, "acme", "web") is None
        assert await paying_account(connection, "acme", "api") == "main"
        assert await paying_account(connection, "globex", "web") == "main"
        assert await paying_account(connection, "globex", "api") is None
        assert await timeline(connection, "acme", "unknown") == []


async def test_an_account_stands_as_its_last_event_said(story: AsyncEngine) -> None:
    async with story.connect() as connection:
        found = await account(connection, "acme", "spare")
        assert found is not None
        assert (found["phase"], found["boundProjects"], found["version"]) == ("Suspended", 0, 2)
        assert [(hold["reason"], hold["message"], hold["by"]) for hold in found["holds"]] == [
            ("PaymentFailure", "unpaid", "alice")
        ]
        main = await account(connection, "acme", "main")
        assert main is not None
        assert (main["displayName"], main["boundProjects"], main["currencyCode"]) == ("Main", 1, "EUR")
        assert main["paymentTerms"]["earlyPaymentDiscount"] == {"percent": "2.5", "withinDays": 5}
        assert await account(connection, "globex", "spare") is None
        assert await projects_of_account(connection, "acme", "main") == ["api"]


async def test_the_history_of_an_account(story: AsyncEngine) -> None:
    async with story.connect() as connection:
        history = await account_history(connection, "acme", "spare")
    assert [(line["from"], line["to"], line["reason"], line["causedBy"]) for line in history] == [
        (None, "Provisioning", "Created", "create-spare"),
        ("Provisioning", "Ready", "RequirementsMet", "create-spare"),
        ("Ready", "Suspended", "PaymentFailure", "c4"),
    ]
    assert [line["at"] for line in history] == sorted({line["at"] for line in history})


@pytest.mark.parametrize(
    ("organization", "command_id", "source", "expected"),
    (
        ("acme", "c1", None, [("/tests", "Applied", "web")]),
        ("globex", "c1", "/tests", [("/tests", "Applied", "web")]),
        ("acme", "c2", None, [("/other", "Unchanged", "api"), ("/tests", "Applied", "api")]),
        ("acme", "c2", "/other", [("/other", "Unchanged", "api")]),
        ("acme", "c5", None, [("/tests", "Rejected", "none")]),
        ("acme", "unknown", None, []),
    ),
)
async def test_what_became_of_a_command(
    story: AsyncEngine, organization: str, command_id: str, source: str | None, expected: list[tuple[str, str, str]]
) -> None:
    async with story.connect() as connection:
        found = [
            orjson.loads(value)["data"]
            for value in await published_results(connection, organization, command_id, source)
        ]
    assert [(one["commandSource"], one["outcome"], one["project"]) for one in found] == expected
