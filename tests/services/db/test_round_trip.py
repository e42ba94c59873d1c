"""What is stored is loaded again unchanged, whatever it holds."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.rows import BINDING_TYPES, PROJECT_TYPES, REPORTED_COLUMNS
from domain.bound_projects import BoundProjects
from domain.state import AccountContact, Binding, Done, Organization, PhaseEntered, Project
from schemas.contact import Contact
from schemas.events import Phase, PhaseReason
from schemas.policy import STORED
from schemas.preferences import Preferences
from tests.services.db.records_of_each_kind import (
    BARE,
    BINDING,
    CONTACT,
    DELETED,
    FULL,
    LATER,
    NEEDS,
    NOW,
    PROFILES,
    PROJECT,
    RETIRED,
    pending_binding,
)
from tests.services.db.storing import assert_holds, kept, rows_of


async def test_every_record(engine: AsyncEngine) -> None:
    entered = PhaseEntered(
        organization="acme",
        account="full",
        number=1,
        previous_phase=None,
        phase=Phase.PROVISIONING,
        reason=PhaseReason.CREATED,
        message="",
        by="alice",
        caused_by="c1",
        entered_at=NOW,
    )
    book = (await kept(engine, BARE, FULL, entered, PROJECT, DELETED, *PROFILES, BINDING, RETIRED)).book
    assert_holds(book, BARE, FULL)
    assert book.account("acme", "none") is None
    assert book.account("globex", "full") is None
    assert book.project("acme", "web") == PROJECT
    assert book.project("acme", "old") == DELETED
    assert book.project("globex", "web") is None
    for profile in PROFILES:
        assert book.payment_profile(*profile.key) == profile
    assert book.bound_projects(FULL) == BoundProjects(1, ["web"], None)
    assert book.is_retired("acme", "web", "u-0")
    assert not book.is_retired("acme", "web", "u-1")


async def test_what_is_chosen_for_an_organization(engine: AsyncEngine) -> None:
    chosen = [Organization(organization="acme", default_account="full"), Organization(organization="globex")]
    book = (await kept(engine, FULL, BARE, *chosen)).book
    assert [book.default_account(name) for name in ("acme", "globex", "none")] == ["full", None, None]
    book = (await kept(engine, Organization(organization="acme"))).book
    assert book.default_account("acme") is None


async def test_what_the_libraries_of_today_refuse_still_loads(engine: AsyncEngine) -> None:
    registration = {"country": "DE", "number": "withdrawn"}
    preferences = Preferences.model_validate(
        {"taxRegistrations": [registration], "invoiceLanguage": "xx"}, context=STORED
    )
    account = replace(FULL, preferences=preferences)
    outdated = Contact.model_validate({"name": "Ada", "emails": ["ada@nowhere"], "phone": "+999"}, context=STORED)
    contact = AccountContact(organization="acme", account="full", contact=outdated)
    book = (await kept(engine, account, contact)).book
    assert_holds(book, account)
    assert book.contact(account) == outdated


async def test_contacts_are_sealed(engine: AsyncEngine) -> None:
    contact = AccountContact(organization="acme", account="full", contact=CONTACT)
    book = (await kept(engine, FULL, BARE, contact)).book
    assert book.contact(FULL) == CONTACT
    assert book.contact(BARE) is None
    sealed = await rows_of(engine, "SELECT key_id, wrapped_key, sealed FROM account_contacts")
    assert [row.key_id for row in sealed] == ["first"]
    for secret in ("Zürich".encode(), b"example", b"8000"):
        assert secret not in sealed[0].sealed
    other = replace(contact, contact=CONTACT.model_copy(update={"phone": None, "name": "Bea"}))
    assert (await kept(engine, other)).book.contact(FULL) == other.contact
    renewed = await rows_of(engine, "SELECT key_id, wrapped_key, sealed FROM account_contacts")
    assert renewed[0].wrapped_key != sealed[0].wrapped_key
    assert (await kept(engine, replace(contact, contact=None))).book.contact(FULL) is None
    assert await rows_of(engine, "SELECT * FROM account_contacts") == []


@pytest.mark.parametrize(
    "members",
    (
        {"effective_at": datetime(2030, 1, 1, 0, 0, 0, 1, tzinfo=UTC)},
        {"effective_at": LATER, "expected_account": None},
        {"wait_seconds": 3600},
        {"wait_seconds": 1, "expected_account": "bare"},
    ),
)
async def test_pending_bindings(engine: AsyncEngine, members: dict[str, Any]) -> None:
    pending = pending_binding(2**62, **members)
    book = (await kept(engine, pending)).book
    found = [*book.queue(("acme", "web")), *filter(None, [book.scheduled(("acme", "web"))])]
    assert found == [pending]
    # Unset members are still unset after loading.
    assert found[0].command.model_fields_set == pending.command.model_fields_set
    assert found[0].command.fingerprint() == pending.command.fingerprint()
    book = (await kept(engine, Done(pending))).book
    assert (book.queue(("acme", "web")), book.scheduled(("acme", "web"))) == ([], None)


async def test_a_scheduled_binding_gives_way_to_another_in_one_batch(engine: AsyncEngine) -> None:
    first, second = pending_binding(1, effective_at=NOW), pending_binding(2, effective_at=LATER)
    await kept(engine, first)
    book = (await kept(engine, Done(first), second)).book
    assert book.scheduled(("acme", "web")) == second
    # Its number becomes free and is reused within the same batch.
    third = pending_binding(2, wait_seconds=5)
    book = (await kept(engine, Done(second), third)).book
    assert (book.queue(("acme", "web")), book.scheduled(("acme", "web"))) == ([third], None)


@pytest.mark.parametrize("edge", (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))
async def test_instants_at_the_edge_of_the_calendar(engine: AsyncEngine, edge: datetime) -> None:
    profile = replace(PROFILES[0], expires_at=edge)
    assert (await kept(engine, profile)).book.payment_profile(*profile.key) == profile


async def test_members_are_replaced_also_by_nothing(engine: AsyncEngine) -> None:
    await kept(engine, FULL, DELETED, *PROFILES)
    emptied = replace(BARE, account="full")
    project = replace(PROJECT, project="old", number=0, account=None, payer_since=None)
    profile = replace(PROFILES[0], payment_profile="debit")
    book = (await kept(engine, emptied, project, profile)).book
    assert_holds(book, emptied)
    assert book.project("acme", "old") == project
    assert book.payment_profile("acme", "debit") == profile


async def test_payers_of_one_batch_and_of_the_next(engine: AsyncEngine) -> None:
    second = replace(BINDING, number=2, account="bare", from_instant=LATER)
    twice = PROJECT.after(second)
    book = (await kept(engine, BARE, FULL, BINDING, PROJECT, second, twice)).book
    assert book.project("acme", "web") == twice
    needs = replace(NEEDS, turning={FULL.key, BARE.key})
    third = replace(BINDING, number=3, from_instant=LATER + timedelta(hours=1))
    book = (await kept(engine, third, twice.after(third), needs=needs)).book
    assert book.project("acme", "web") == twice.after(third)
    assert book.bound_projects(FULL) == BoundProjects(1, ["web"], LATER)
    assert book.bound_projects(BARE) == BoundProjects(0, [], third.from_instant)
    released = replace(BINDING, number=4, account=None, from_instant=LATER + timedelta(hours=2))
    book = (await kept(engine, released, twice.after(released), needs=needs)).book
    assert book.project("acme", "web") == twice.after(released)
    assert book.bound_projects(FULL) == BoundProjects(0, [], released.from_instant)


async def test_what_is_reported_and_who_pays_are_kept_apart(engine: AsyncEngine) -> None:
    """A report does not touch the payer, nor a payer the report, in one batch or in several."""
    await kept(engine, FULL, BARE, BINDING, PROJECT)
    renamed = replace(PROJECT, version=2, display_name="é", uid="u-1")
    assert (await kept(engine, renamed)).book.project("acme", "web") == renamed
    second = replace(BINDING, number=2, account="bare", from_instant=LATER)
    assert (await kept(engine, second, renamed.after(second))).book.project("acme", "web") == renamed.after(second)
    third = replace(BINDING, number=3, account="full", from_instant=LATER + timedelta(hours=1))
    both = replace(renamed.after(third), state="Inactive", version=3)
    assert (await kept(engine, third, both)).book.project("acme", "web") == both


async def test_a_report_changes_its_project_alone(engine: AsyncEngine) -> None:
    others = [replace(DELETED, project="api"), replace(DELETED, organization="globex", project="web")]
    await kept(engine, PROJECT, *others)
    renamed = replace(PROJECT, version=2, state="Inactive", display_name="é", number=0, account=None, payer_since=None)
    keys = {one.key for one in (renamed, *others)}
    book = (await kept(engine, renamed, needs=replace(NEEDS, projects=keys))).book
    assert [book.project(*one.key) for one in (renamed, *others)] == [renamed, *others]


def test_records_and_rows_have_the_same_names() -> None:
    assert set(PROJECT_TYPES) == {field.name for field in fields(Project)}
    assert set(BINDING_TYPES) == {field.name for field in fields(Binding)}
    assert {*REPORTED_COLUMNS, "number", "account", "payer_since", "legacy_id"} == set(PROJECT_TYPES)
