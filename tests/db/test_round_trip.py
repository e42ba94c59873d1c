"""What is stored is loaded again as it was, whatever it holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.load import Loaded, load
from db.memory import Memory
from db.rows import binding_row, project_row
from db.sealing import LocalKeys, Sealed, unseal
from db.store import store, store_claims, store_dead_letters, store_handled
from domain.book import Book, BoundProjects
from domain.dead_letters import Dead
from domain.messages import Claim
from domain.needs import Needs
from domain.state import (
    Account,
    AccountContact,
    Balance,
    Binding,
    Change,
    Done,
    FanOut,
    Organization,
    Origin,
    PaymentProfile,
    PendingBinding,
    PhaseEntered,
    Project,
    RetiredUid,
)
from schemas.commands import BindProject
from schemas.contact import AccountingContact, Address, Contact
from schemas.events import Closure, Condition, Hold, NoticeKind, Phase, PhaseReason, Reactivation
from schemas.preferences import EInvoicing, Preferences, TaxRegistration
from schemas.records import DeadLetterReason, Record
from schemas.terms import EarlyPaymentDiscount, LatePaymentPenalty, PaymentTerms

_NOW = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)
_LATER = _NOW + timedelta(microseconds=1)
_KEYS = LocalKeys({"first": b"k" * 32}, "first")
_BARE = Account(organization="acme", account="bare", version=1, phases=1, sequence=2)
_FULL = Account(
    organization="acme",
    account="full",
    version=2**62,
    phases=2**31 - 1,
    sequence=2**63 - 1,
    phase=Phase.SUSPENDED,
    conditions=(
        Condition(
            type="Ready",
            status="False",
            reason=PhaseReason.PAYMENT_FAILURE,
            message="'\"\\ é",
            last_transition_time=_NOW,
        ),
    ),
    display_name='Zoë\'s \\ {accounts}, "NULL" 🙂',
    currency_code="EUR",
    payment_terms=PaymentTerms(
        net_days=60,
        invoice_frequency="Quarterly",
        invoice_day_of_month=28,
        early_payment_discount=EarlyPaymentDiscount(percent=Decimal("2.500001"), within_days=10),
        late_payment_penalty=LatePaymentPenalty(annual_percent=Decimal(0), grace_days=3),
    ),
    payment_profile="card",
    holds=(
        Hold(reason="PaymentFailure", message=None, by="alice", placed_at=_NOW),
        Hold(
            reason="Administrative",
            message="see 4711",
            by="bob",
            placed_at=_LATER,
            reactivation=Reactivation(by="carol", resolution="paid", requested_at=_LATER),
        ),
    ),
    closure=Closure(by="dave", reason=None, requested_at=_NOW),
    activated_at=_NOW - timedelta(days=400),
    preferences=Preferences(
        tax_registrations=(TaxRegistration(country="DE", number="136695976"),),
        invoice_language="de-CH",
        invoice_format="PdfWithXml",
        e_invoicing=EInvoicing(standard="PeppolBis3", address="0204:991-1234512345-06"),
        data_residency="Eu",
    ),
    balance=Balance(outstanding=Decimal("-123456789012.345678"), currency_code="EUR", as_of=_NOW),
)
_ORIGIN = Origin(caused_by="f 1", sender="/rm/é", passed_on={"correlationid": 'a "b"', "traceparent": "00-1"})
_PROJECT = Project(organization="acme", project="web", state="Active", version=1, bindings=1)
_DELETED = Project(
    organization="acme",
    project="old",
    state="Deleted",
    version=2**63 - 1,
    uid="u-1",
    display_name="",
    bindings=3,
    sequence=5,
    last_ended_at=_NOW,
)
_PROFILES = [
    PaymentProfile(
        organization="acme", payment_profile="card", kind="CreditCard", state="Valid", version=1, origin=_ORIGIN
    ),
    PaymentProfile(
        organization="acme",
        payment_profile="debit",
        kind="DirectDebit",
        state="Invalid",
        version=9,
        reference="tok_1",
        country="DE",
        expires_at=datetime(2030, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        reason="bounced",
        due_at=_LATER,
        origin=Origin(caused_by="", sender=""),
    ),
]
_BINDING = Binding(
    organization="acme", project="web", number=1, account="full", established_at=_NOW, previous_ended_at=None
)
_CONTACT = Contact(
    name="Zoë",
    emails=("zoë@example.com", "z@example.org"),
    phone="+41445550100",
    address=Address(line1="1", line2="2", postal_code="8000", city="Zürich", country="CH"),
    accounting_contact=AccountingContact(name="Bea", emails=("b@example.com",)),
    language="de-CH",
)
_RETIRED = RetiredUid(organization="acme", project="web", uid="u-0")
_NEEDS = Needs(
    accounts={("acme", "bare"), ("acme", "full"), ("acme", "none"), ("globex", "full")},
    turning={("acme", "full")},
    projects={("acme", "web"), ("acme", "old"), ("globex", "web")},
    uids={("acme", "web", "u-0"), ("acme", "web", "u-1")},
    payment_profiles={("acme", "card"), ("acme", "debit")},
    organizations={"acme", "globex", "none"},
    contacts={("acme", "full"), ("acme", "bare")},
    boundaries={"acme"},
)


def _pending(number: int = 1, **members: Any) -> PendingBinding:
    command = BindProject(organization="acme", project="web", account="full", reason="é", **members)
    return PendingBinding(
        organization="acme",
        project="web",
        number=number,
        kind="Scheduled" if "effective_at" in members else "Waiting",
        due_at=_NOW,
        command=command,
        source="/source/é",
        type="io.milo.billing.BindProject.v1",
        origin=_ORIGIN,
    )


_FAN_OUT = FanOut(
    organization="acme",
    account="full",
    number=1,
    kind=NoticeKind.ACCOUNT_NOT_READY,
    reason=PhaseReason.PAYMENT_PROFILE_EXPIRED,
    message="é",
    instant=_NOW,
    origin=_ORIGIN,
)


async def _kept(engine: AsyncEngine, *changes: Change, needs: Needs = _NEEDS) -> Loaded:
    """Store changes over what is there, commit, and load in a transaction of its own."""
    async with engine.begin() as connection:
        book = (await load(connection, needs, _KEYS, Memory(0, len))).book
        book.apply(changes)
        await store(connection, book, _KEYS)
    async with engine.begin() as connection:
        return await load(connection, needs, _KEYS, Memory(0, len))


async def _rows(engine: AsyncEngine, statement: str) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(statement))).all())


def _assert_holds(book: Book, *accounts: Account) -> None:
    for account in accounts:
        assert book.account(*account.key) == account


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
        entered_at=_NOW,
    )
    book = (await _kept(engine, _BARE, _FULL, entered, _PROJECT, _DELETED, *_PROFILES, _BINDING, _RETIRED)).book
    _assert_holds(book, _BARE, _FULL)
    assert book.account("acme", "none") is None
    assert book.account("globex", "full") is None
    assert book.project("acme", "web") == _PROJECT
    assert book.project("acme", "old") == _DELETED
    assert book.project("globex", "web") is None
    for profile in _PROFILES:
        assert book.payment_profile(*profile.key) == profile
    assert book.active_binding("acme", "web") == _BINDING
    assert book.bound_projects(_FULL) == BoundProjects(1, ["web"], None)
    assert book.is_retired("acme", "web", "u-0")
    assert not book.is_retired("acme", "web", "u-1")


async def test_what_is_chosen_for_an_organization(engine: AsyncEngine) -> None:
    chosen = [Organization(organization="acme", default_account="full"), Organization(organization="globex")]
    book = (await _kept(engine, _FULL, _BARE, *chosen)).book
    assert [book.default_account(name) for name in ("acme", "globex", "none")] == ["full", None, None]
    book = (await _kept(engine, Organization(organization="acme"))).book
    assert book.default_account("acme") is None


async def test_a_default_account_comes_with_its_organization(engine: AsyncEngine) -> None:
    await _kept(engine, _FULL, *_PROFILES, Organization(organization="acme", default_account="full"))
    book = (await _kept(engine, needs=Needs(organizations={"acme"}))).book
    _assert_holds(book, _FULL)


async def test_contacts_are_sealed(engine: AsyncEngine) -> None:
    contact = AccountContact(organization="acme", account="full", contact=_CONTACT)
    book = (await _kept(engine, _FULL, _BARE, contact)).book
    assert book.contact(_FULL) == _CONTACT
    assert book.contact(_BARE) is None
    sealed = await _rows(engine, "SELECT key_id, wrapped_key, sealed FROM account_contacts")
    assert [row.key_id for row in sealed] == ["first"]
    for secret in ("Zürich".encode(), b"example", b"8000"):
        assert secret not in sealed[0].sealed
    other = replace(contact, contact=_CONTACT.model_copy(update={"phone": None, "name": "Bea"}))
    assert (await _kept(engine, other)).book.contact(_FULL) == other.contact
    renewed = await _rows(engine, "SELECT key_id, wrapped_key, sealed FROM account_contacts")
    assert renewed[0].wrapped_key != sealed[0].wrapped_key
    assert (await _kept(engine, replace(contact, contact=None))).book.contact(_FULL) is None
    assert await _rows(engine, "SELECT * FROM account_contacts") == []


@pytest.mark.parametrize(
    "members",
    (
        {"effective_at": datetime(2030, 1, 1, 0, 0, 0, 1, tzinfo=UTC)},
        {"effective_at": _LATER, "expected_account": None},
        {"wait_seconds": 3600},
        {"wait_seconds": 1, "expected_account": "bare"},
    ),
)
async def test_pending_bindings(engine: AsyncEngine, members: dict[str, Any]) -> None:
    pending = _pending(2**62, **members)
    book = (await _kept(engine, pending)).book
    found = [*book.queue(("acme", "web")), *filter(None, [book.scheduled(("acme", "web"))])]
    assert found == [pending]
    # What was not said was not said, also after it was kept.
    assert found[0].command.model_fields_set == pending.command.model_fields_set
    assert found[0].command.fingerprint() == pending.command.fingerprint()
    book = (await _kept(engine, Done(pending))).book
    assert (book.queue(("acme", "web")), book.scheduled(("acme", "web"))) == ([], None)


async def test_a_scheduled_binding_gives_way_to_another_in_one_batch(engine: AsyncEngine) -> None:
    first, second = _pending(1, effective_at=_NOW), _pending(2, effective_at=_LATER)
    await _kept(engine, first)
    book = (await _kept(engine, Done(first), second)).book
    assert book.scheduled(("acme", "web")) == second
    # Its number is free again, and taken again within the batch that frees it.
    third = _pending(2, wait_seconds=5)
    book = (await _kept(engine, Done(second), third)).book
    assert (book.queue(("acme", "web")), book.scheduled(("acme", "web"))) == ([third], None)


async def test_what_waits_comes_with_its_account_and_all_that_it_needs(engine: AsyncEngine) -> None:
    first, behind = _pending(1, wait_seconds=9), _pending(2, wait_seconds=9)
    behind = replace(behind, command=behind.command.model_copy(update={"account": "bare"}))
    await _kept(engine, _FULL, _BARE, _PROJECT, _BINDING, *_PROFILES, first, behind)
    for needs in (
        Needs(turning={("acme", "full")}),
        Needs(turning={("acme", "bare")}),
        Needs(projects={("acme", "web")}),
        Needs(payment_profiles={("acme", "card")}, reported_profiles={("acme", "card")}),
        Needs(emptied={("acme", "full")}),
    ):
        book = (await _kept(engine, needs=needs)).book
        assert book.queue(("acme", "web")) == [first, behind]
        _assert_holds(book, _FULL, _BARE)
        assert book.project("acme", "web") == _PROJECT
        assert book.active_binding("acme", "web") == _BINDING
        assert book.payment_profile("acme", "card") == _PROFILES[0]


async def test_fan_outs_and_their_pages(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.load.FAN_OUT_PAGE", 2)
    names = ["a", "b", "c", "d", "later", "z"]
    projects = [replace(_PROJECT, project=name) for name in names]
    bindings = [replace(_BINDING, project=name) for name in names]
    bindings[4] = replace(bindings[4], established_at=_LATER)
    ended = replace(bindings[2], ended_at=_LATER, released=True)
    await _kept(engine, _FULL, *projects, *bindings, ended, _FAN_OUT, replace(_FAN_OUT, number=2))
    needs = Needs(boundaries={"acme"}, fan_outs={_FULL.key})
    pages = []
    while fan_outs := (book := (await _kept(engine, needs=needs)).book).fan_outs(_FULL.key):
        page, is_last = book.page(fan_outs[0])
        pages.append((fan_outs[0].number, page, is_last))
        await _kept(engine, Done(fan_outs[0]) if is_last else replace(fan_outs[0], told=page[-1]), needs=needs)
    assert pages == [(1, ["a", "b"], False), (1, ["d", "z"], True), (2, ["a", "b"], False), (2, ["d", "z"], True)]


async def test_enough_bound_projects_are_known_by_name(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a decision looks at, though the batch takes those away that it names; and how many there are."""
    monkeypatch.setattr("db.load.AT_ONCE", 2)
    monkeypatch.setattr("db.load.LISTED", 2)
    monkeypatch.setattr("db.load.MOST_PROJECTS", 3)
    names = [f"p{number}" for number in range(9)]
    await _kept(
        engine,
        _FULL,
        *(replace(_PROJECT, project=name) for name in names),
        *(replace(_BINDING, project=name) for name in names),
    )
    taken = {("acme", name) for name in names[:4]}
    for needs, known in (
        (Needs(turning={_FULL.key}), 2),
        (Needs(turning={_FULL.key}, projects=taken), 6),
        (Needs(emptied={_FULL.key}), 3),
        (Needs(emptied={_FULL.key}, turning={_FULL.key}, projects=taken), 7),
    ):
        bound = (await _kept(engine, needs=needs)).book.bound_projects(_FULL)
        assert (bound.count, bound.first) == (9, names[:known])


async def test_a_final_result_takes_the_place_of_the_interim_one(engine: AsyncEngine) -> None:
    claim = Claim("acme", "/source", "id", b"print", 0, is_new=True)
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
        await store_claims(connection, [(claim, 5, 7), (replace(claim, command_id="other"), 5, 8)])
        await store_claims(connection, [(replace(claim, fingerprint=b"", is_new=False), 6, 9)])
    rows = await _rows(engine, "SELECT command_id, fingerprint, shard, position FROM inbox ORDER BY 1")
    assert [tuple(row) for row in rows] == [("id", b"print", 6, 9), ("other", b"print", 5, 8)]


@pytest.mark.parametrize("edge", (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))
async def test_instants_at_the_edge_of_the_calendar(engine: AsyncEngine, edge: datetime) -> None:
    profile = replace(_PROFILES[0], expires_at=edge)
    assert (await _kept(engine, profile)).book.payment_profile(*profile.key) == profile


async def test_members_are_replaced_also_by_nothing(engine: AsyncEngine) -> None:
    await _kept(engine, _FULL, _DELETED, *_PROFILES)
    emptied = replace(_BARE, account="full")
    project = replace(_PROJECT, project="old", version=1)
    profile = replace(_PROFILES[0], payment_profile="debit")
    book = (await _kept(engine, emptied, project, profile)).book
    _assert_holds(book, emptied)
    assert book.project("acme", "old") == project
    assert book.payment_profile("acme", "debit") == profile


async def test_payers_of_one_batch_and_of_the_next(engine: AsyncEngine) -> None:
    second = replace(_BINDING, number=2, account="bare", established_at=_LATER, previous_ended_at=_LATER)
    twice, thrice = replace(_PROJECT, bindings=2), replace(_PROJECT, bindings=3)
    book = (await _kept(engine, _BARE, _FULL, replace(_BINDING, ended_at=_LATER), second, twice)).book
    assert book.active_binding("acme", "web") == second
    ended = _LATER + timedelta(hours=1)
    third = replace(_BINDING, number=3, established_at=ended, previous_ended_at=ended)
    book = (await _kept(engine, replace(second, ended_at=ended), third, thrice)).book
    assert book.active_binding("acme", "web") == third
    book = (await _kept(engine, replace(third, ended_at=ended + timedelta(hours=1), released=True))).book
    assert book.active_binding("acme", "web") is None
    assert book.bound_projects(_FULL) == BoundProjects(0, [], ended + timedelta(hours=1))


async def test_accounts_are_found_by_a_reported_profile(engine: AsyncEngine) -> None:
    await _kept(engine, _BARE, _FULL, *_PROFILES, _PROJECT, _BINDING)
    needs = Needs(payment_profiles={("acme", "card")}, reported_profiles={("acme", "card")})
    book = (await _kept(engine, needs=needs)).book
    assert book.accounts_attached_to(_PROFILES[0]) == [_FULL]
    assert book.bound_projects(_FULL) == BoundProjects(1, ["web"], None)


async def test_the_attached_profile_comes_with_its_account(engine: AsyncEngine) -> None:
    await _kept(engine, _FULL, *_PROFILES)
    book = (await _kept(engine, needs=Needs(accounts={("acme", "full")}))).book
    assert book.payment_profile("acme", "card") == _PROFILES[0]


async def test_claims_and_handled_records(engine: AsyncEngine) -> None:
    record = Record("billing.projects", 3, 2**40, _NOW, None, (), None)
    recreated = replace(record, timestamp=_LATER)
    other = replace(record, offset=1)
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
        await store_claims(connection, [(Claim("acme", "/source/é", "id 1", b"\x00\xff", 0, is_new=True), 5, 7)])
        await store_handled(connection, [record])
    needs = Needs(
        identities={("acme", "/source/é", "id 1"), ("acme", "/source/é", "id 2"), ("globex", "/source/é", "id 1")}
    )
    needs.records += [recreated, other]
    async with engine.begin() as connection:
        known = await load(connection, needs, _KEYS, Memory(0, len))
        assert known.fingerprints == {("acme", "/source/é", "id 1"): b"\x00\xff"}
        assert known.handled == set()
        needs.records.append(record)
        assert (await load(connection, needs, _KEYS, Memory(0, len))).handled == {record.place}


async def test_dead_letters_are_kept_whole_but_for_what_must_not_be(engine: AsyncEngine) -> None:
    record = Record("billing.projects", 0, 0, _NOW, b"\xff\x00", (("a\0", b"\x00"), ("é", None)), b"\xfe")
    dead = [
        Dead(record, DeadLetterReason.UNDECODABLE, "not UTF-8", False, "acme"),
        Dead(replace(record, offset=1), DeadLetterReason.CARD_NUMBER, "a card", False, "acme"),
        Dead(replace(record, offset=2), DeadLetterReason.UNKNOWN_TYPE, "unknown", True, "acme"),
        Dead(
            replace(record, offset=3, key=None, headers=(), value=None), DeadLetterReason.TOMBSTONE, "none", True, "a"
        ),
    ]
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
        await store_dead_letters(connection, dead, _LATER, _KEYS)
        rows = await connection.execute(
            text('SELECT key, header_names, header_values, value FROM dead_letters ORDER BY "offset"')
        )
        sealed = (await connection.execute(text("SELECT * FROM dead_letters WHERE sealed IS NOT NULL"))).all()
        names, values = [b"a\0", "é".encode()], [b"\x00", None]
        assert [tuple(row) for row in rows] == [
            (b"\xff\x00", names, values, b"\xfe"),
            (None, None, None, None),
            (b"\xff\x00", names, values, None),
            (None, [], [], None),
        ]
    # What may be personal is kept, but for who has the key.
    (letter,) = sealed
    assert (letter.offset, letter.key_id) == (2, "first")
    about = f"dead-letter:{dead[2].record.place}"
    assert unseal(Sealed(letter.key_id, letter.wrapped_key, letter.sealed), about, _KEYS) == b"\xfe"


_TABLES = text(
    "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attnum > 0 AND NOT attisdropped "
    "ORDER BY attnum"
)


async def test_whole_rows_are_in_the_order_of_the_columns(engine: AsyncEngine) -> None:
    project = replace(_PROJECT, uid="u", display_name="d", bindings=7, sequence=8, version=9, last_ended_at=_NOW)
    binding = replace(_BINDING, number=5, ended_at=_LATER, released=True, previous_ended_at=_NOW)
    async with engine.connect() as connection:
        for table, record, row in (
            ("projects", project, project_row(project)), ("bindings", binding, binding_row(binding))
        ):  # fmt: skip
            names = (await connection.execute(_TABLES, {"name": table})).scalars()
            assert row == tuple(getattr(record, name) for name in names)
