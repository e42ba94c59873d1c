"""What is stored is loaded again as it was, whatever it holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.rows import binding_row, project_row
from domain.book import BoundProjects
from domain.state import AccountContact, Done, Organization, PhaseEntered
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
    assert book.active_binding("acme", "web") == BINDING
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
    # What was not said was not said, also after it was kept.
    assert found[0].command.model_fields_set == pending.command.model_fields_set
    assert found[0].command.fingerprint() == pending.command.fingerprint()
    book = (await kept(engine, Done(pending))).book
    assert (book.queue(("acme", "web")), book.scheduled(("acme", "web"))) == ([], None)


async def test_a_scheduled_binding_gives_way_to_another_in_one_batch(engine: AsyncEngine) -> None:
    first, second = pending_binding(1, effective_at=NOW), pending_binding(2, effective_at=LATER)
    await kept(engine, first)
    book = (await kept(engine, Done(first), second)).book
    assert book.scheduled(("acme", "web")) == second
    # Its number is free again, and taken again within the batch that frees it.
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
    project = replace(PROJECT, project="old", version=1)
    profile = replace(PROFILES[0], payment_profile="debit")
    book = (await kept(engine, emptied, project, profile)).book
    assert_holds(book, emptied)
    assert book.project("acme", "old") == project
    assert book.payment_profile("acme", "debit") == profile


async def test_payers_of_one_batch_and_of_the_next(engine: AsyncEngine) -> None:
    second = replace(BINDING, number=2, account="bare", established_at=LATER, previous_ended_at=LATER)
    twice, thrice = replace(PROJECT, bindings=2), replace(PROJECT, bindings=3)
    book = (await kept(engine, BARE, FULL, replace(BINDING, ended_at=LATER), second, twice)).book
    assert book.active_binding("acme", "web") == second
    ended = LATER + timedelta(hours=1)
    third = replace(BINDING, number=3, established_at=ended, previous_ended_at=ended)
    book = (await kept(engine, replace(second, ended_at=ended), third, thrice)).book
    assert book.active_binding("acme", "web") == third
    book = (await kept(engine, replace(third, ended_at=ended + timedelta(hours=1), released=True))).book
    assert book.active_binding("acme", "web") is None
    assert book.bound_projects(FULL) == BoundProjects(0, [], ended + timedelta(hours=1))


_COLUMNS = text(
    "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attnum > 0 AND NOT attisdropped "
    "ORDER BY attnum"
)


async def test_whole_rows_are_in_the_order_of_the_columns(engine: AsyncEngine) -> None:
    project = replace(PROJECT, uid="u", display_name="d", bindings=7, sequence=8, version=9, last_ended_at=NOW)
    binding = replace(BINDING, number=5, ended_at=LATER, released=True, previous_ended_at=NOW)
    async with engine.connect() as connection:
        for table, record, row in (
            ("projects", project, project_row(project)), ("bindings", binding, binding_row(binding))
        ):  # fmt: skip
            names = (await connection.execute(_COLUMNS, {"name": table})).scalars()
            assert row == tuple(getattr(record, name) for name in names)
