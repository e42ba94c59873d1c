"""What is stored is loaded again as it was, whatever it holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.load import Loaded, load
from db.store import store, store_claims, store_dead_letters, store_handled
from domain.book import Book
from domain.dead_letters import Dead
from domain.fold import Claim
from domain.needs import Needs
from domain.state import Account, Binding, Change, PaymentProfile, PhaseEntered, Project, RetiredUid
from schemas.commands import EarlyPaymentDiscount, LatePaymentPenalty, PaymentTerms
from schemas.events import Closure, Condition, Hold, Phase, PhaseReason, Reactivation
from schemas.records import DeadLetterReason, Record

_NOW = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)
_LATER = _NOW + timedelta(microseconds=1)
_BARE = Account(organization="acme", account="bare", version=1, phases=1, sequence=2, last_instant=_NOW)
_FULL = Account(
    organization="acme",
    account="full",
    version=2**62,
    phases=2**31 - 1,
    sequence=2**63 - 1,
    last_instant=_NOW,
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
)
_PROJECT = Project(organization="acme", project="web", state="Active", version=1)
_DELETED = Project(
    organization="acme",
    project="old",
    state="Deleted",
    version=2**63 - 1,
    uid="u-1",
    display_name="",
    bindings=3,
    sequence=5,
    last_instant=_NOW,
    last_ended_at=_NOW,
)
_PROFILES = [
    PaymentProfile(organization="acme", payment_profile="card", kind="CreditCard", state="Valid", version=1),
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
    ),
]
_BINDING = Binding(
    organization="acme", project="web", number=1, account="full", established_at=_NOW, previous_ended_at=None
)
_RETIRED = RetiredUid(organization="acme", project="web", uid="u-0")
_NEEDS = Needs(
    accounts={("acme", "bare"), ("acme", "full"), ("acme", "none"), ("globex", "full")},
    turning={("acme", "full")},
    projects={("acme", "web"), ("acme", "old"), ("globex", "web")},
    uids={("acme", "web", "u-0"), ("acme", "web", "u-1")},
    payment_profiles={("acme", "card"), ("acme", "debit")},
)


async def _kept(engine: AsyncEngine, *changes: Change, needs: Needs = _NEEDS) -> Loaded:
    """Store changes over what is there, commit, and load in a transaction of its own."""
    async with engine.begin() as connection:
        book = (await load(connection, needs)).book
        book.apply(changes)
        await store(connection, book)
    async with engine.begin() as connection:
        return await load(connection, needs)


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
    assert book.bound_projects(_FULL) == ["web"]
    assert book.is_retired("acme", "web", "u-0")
    assert not book.is_retired("acme", "web", "u-1")


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
    await _kept(engine, _BARE, _FULL, replace(_BINDING, ended_at=_LATER), second)
    ended = _LATER + timedelta(hours=1)
    third = replace(_BINDING, number=3, established_at=ended, previous_ended_at=ended)
    book = (await _kept(engine, replace(second, ended_at=ended), third)).book
    assert book.active_binding("acme", "web") == third
    book = (await _kept(engine, replace(third, ended_at=ended + timedelta(hours=1), released=True))).book
    assert book.active_binding("acme", "web") is None
    assert book.bound_projects(_FULL) == []


async def test_accounts_are_found_by_a_reported_profile(engine: AsyncEngine) -> None:
    await _kept(engine, _BARE, _FULL, *_PROFILES, _PROJECT, _BINDING)
    needs = Needs(payment_profiles={("acme", "card")}, reported_profiles={("acme", "card")})
    book = (await _kept(engine, needs=needs)).book
    assert book.accounts_attached_to(_PROFILES[0]) == [_FULL]
    assert book.bound_projects(_FULL) == ["web"]


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
        await store_claims(connection, [(Claim("acme", "/source/é", "id 1", b"\x00\xff", 0), 5, 7)])
        await store_handled(connection, [record])
    needs = Needs(
        identities={("acme", "/source/é", "id 1"), ("acme", "/source/é", "id 2"), ("globex", "/source/é", "id 1")}
    )
    needs.records += [recreated, other]
    async with engine.begin() as connection:
        known = await load(connection, needs)
        assert known.fingerprints == {("acme", "/source/é", "id 1"): b"\x00\xff"}
        assert known.handled == set()
        needs.records.append(record)
        assert (await load(connection, needs)).handled == {record.place}


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
        await store_dead_letters(connection, dead, _LATER)
        rows = await connection.execute(
            text('SELECT key, header_names, header_values, value FROM dead_letters ORDER BY "offset"')
        )
        names, values = [b"a\0", "é".encode()], [b"\x00", None]
        assert [tuple(row) for row in rows] == [
            (b"\xff\x00", names, values, b"\xfe"),
            (None, None, None, None),
            (b"\xff\x00", names, values, None),
            (None, [], [], None),
        ]
