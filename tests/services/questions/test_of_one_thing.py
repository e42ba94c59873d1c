"""What is answered about one organization, project, account, and about who pays at an instant."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.questions.accounts import account
from db.questions.organizations import organization
from db.questions.payers import PayerQuestion, payers
from db.questions.projects import project, project_and_snapshot
from db.questions.who import Scheduled, who_pays
from tests.services.questions.story import LEGACY_ID, SHARD, TICK, asking, day, interval, text_of

_BALANCE = {"outstanding": "12.5", "currencyCode": "EUR", "asOf": text_of(3)}


async def test_a_snapshot_tells_what_it_knows_and_up_to_when_that_is_final(told: AsyncEngine) -> None:
    async with asking(told) as (_, snapshot):
        assert (snapshot.as_of, snapshot.closed) == (f"{SHARD}-13", day(5))
        assert abs((snapshot.now - datetime.now(UTC)).total_seconds()) < 600
        assert snapshot.is_settled(day(5))
        assert not snapshot.is_settled(day(5) + TICK)
        assert not snapshot.is_settled(None)


async def test_the_clock_of_a_snapshot_is_never_before_what_it_knows(engine: AsyncEngine) -> None:
    ahead = datetime(2999, 1, 1, tzinfo=UTC)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE shards SET last_instant = :ahead"), {"ahead": ahead})
    async with asking(engine) as (_, snapshot):
        assert (snapshot.now, snapshot.closed, snapshot.as_of) == (ahead, ahead, f"{SHARD}-0")


async def test_nothing_is_final_where_nothing_is_known(engine: AsyncEngine) -> None:
    async with asking(engine) as (_, snapshot):
        assert snapshot.closed is None
        assert not snapshot.is_settled(day(1))


async def test_what_is_not_published_is_not_final(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        values = {"shard": SHARD, "at": day(3)}
        await connection.execute(text("UPDATE shards SET position = 2, last_instant = now()"))
        await connection.execute(text("INSERT INTO published VALUES (:shard, 1)"), values)
        await connection.execute(text("INSERT INTO log VALUES (:shard, 2, :at, 'notices', NULL, 'v', 'h')"), values)
    async with asking(engine) as (_, snapshot):
        assert snapshot.closed == day(3) - TICK


async def test_an_organization_is_counted(told: AsyncEngine) -> None:
    async with asking(told) as (connection, _):
        # Deleted ones do not count: api and never. Nobody pays for idle, p-1, p.1, p1 and asleep.
        assert await organization(connection, "acme") == {
            "organization": "acme", "defaultAccount": "spare", "accounts": 6, "projects": 9, "unbound": 5,
        }  # fmt: skip
        assert await organization(connection, "unheard-of") == {
            "organization": "unheard-of", "defaultAccount": None, "accounts": 0, "projects": 0, "unbound": 0,
        }  # fmt: skip


async def test_a_project(told: AsyncEngine) -> None:
    async with asking(told) as (connection, _):
        assert await project(connection, "acme", "web") == {
            "organization": "acme", "project": "web", "state": "Active", "version": 1, "uid": "u-1",
            "displayName": "The web", "payer": interval("web", "main", 3, 3), "scheduled": None, "waiting": [],
        }  # fmt: skip
        assert await project(connection, "acme", "api") == {
            "organization": "acme", "project": "api", "state": "Deleted", "version": 7, "payer": None,
            "scheduled": None, "waiting": [],
        }  # fmt: skip
        assert await project(connection, "acme", "idle") == {
            "organization": "acme", "project": "idle", "state": "Active", "version": 1, "payer": None,
            "scheduled": {
                "account": "spare", "effectiveAt": text_of(20), "commandId": "c1", "commandSource": "/shop",
            },
            "waiting": [
                {"account": "main", "until": text_of(8), "commandId": "c2", "commandSource": "/shop"},
                {"account": "closed", "until": text_of(6), "commandId": "c3", "commandSource": "/shop"},
            ],
        }  # fmt: skip
        assert await project(connection, "acme", "unknown") is None
        assert await project(connection, "globex", "api") is None


async def test_a_project_with_the_snapshot_that_it_is_of(told: AsyncEngine) -> None:
    async with asking(told) as (connection, known):
        for name in ("web", "idle", "unknown"):
            found, document = await project_and_snapshot(connection, known.shard, "acme", name)
            assert document == await project(connection, "acme", name)
            assert (found.shard, found.position, found.closed) == (known.shard, known.position, known.closed)


_FIRST = interval("api", "main", 1, 1, 4, bindingId=LEGACY_ID)


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    (
        ("web", day(1) - TICK, None),
        ("web", day(1), interval("web", "main", 1, 1, 2)),
        ("web", day(2) - TICK, interval("web", "main", 1, 1, 2)),
        ("web", day(2), interval("web", "spare", 2, 2, 3)),
        ("web", day(3), interval("web", "main", 3, 3)),
        ("web", None, interval("web", "main", 3, 3)),
        ("api", day(3), _FIRST),
        ("api", day(4) - TICK, _FIRST),
        ("api", day(4), None),
        ("again", day(2) - TICK, interval("again", "main", 1, 1, 2)),
        ("again", day(2), None),
        ("again", day(3), interval("again", "spare", 3, 3)),
        ("idle", day(3), None),
        ("late", day(7) - TICK, None),
        ("late", day(7), interval("late", "main", 1, 7)),
    ),
)
async def test_who_pays_at_an_instant(
    told: AsyncEngine, name: str, at: datetime | None, expected: dict[str, Any] | None
) -> None:
    async with asking(told) as (connection, snapshot):
        ((its_snapshot, answer),) = await payers(connection, [PayerQuestion(SHARD, "acme", name, at)])
    assert answer is not None
    assert (its_snapshot.as_of, its_snapshot.closed) == (snapshot.as_of, snapshot.closed)
    assert answer.pop("at") == _text(at or its_snapshot.now)
    assert answer == {
        "organization": "acme", "project": name, "payer": expected, "settled": at is not None and at <= day(5),
    }  # fmt: skip


async def test_nobody_knows_who_pays_for_what_was_never_reported(told: AsyncEngine) -> None:
    async with asking(told, "globex") as (connection, snapshot):
        (its_snapshot, unknown), (_, found) = await payers(
            connection,
            [PayerQuestion(snapshot.shard, "globex", name, at) for name, at in (("api", None), ("web", day(3)))],
        )
        assert (unknown, its_snapshot.as_of) == (None, snapshot.as_of)
        assert found is not None
        assert found["payer"] == interval("web", "main", 1, 1, organization="globex")


async def test_who_pays_as_shells_ask(told: AsyncEngine) -> None:
    url = told.url.render_as_string(hide_password=False)
    web = await who_pays(url, "acme", "web", day(5))
    assert (web.payer, web.at, web.account) == (interval("web", "main", 3, 3), day(5), "main")
    assert (web.is_settled, web.is_known, web.is_organization_known, web.scheduled) == (True, True, True, None)
    assert web.as_of > day(7), "the clock goes on after the last change"
    assert not (await who_pays(url, "acme", "web", day(5) + TICK)).is_settled
    idle = await who_pays(url, "acme", "idle")
    assert (idle.payer, idle.account, idle.at, idle.is_settled) == (None, None, idle.as_of, False)
    assert idle.scheduled == Scheduled("spare", day(20), "c1", "/shop")
    for whose, name, known in (("acme", "unknown", True), ("nobody", "web", False)):
        found = await who_pays(url, whose, name, day(3))
        assert (found.payer, found.scheduled, found.is_known) == (None, None, False)
        assert found.is_organization_known is known


async def test_an_account_on_hold_that_pays(told: AsyncEngine) -> None:
    async with asking(told) as (connection, _):
        found = await account(connection, "acme", "main", with_balance=True)
        assert found is not None
        assert found.pop("conditions")[2:] == found["missing"]
        assert [(one["type"], one["status"], one["reason"]) for one in found.pop("missing")] == [
            ("NoHolds", "False", "PaymentFailure"), ("Ready", "False", "PaymentFailure"),
        ]  # fmt: skip
        assert found == {
            "organization": "acme", "account": "main", "displayName": "Main", "phase": "Suspended",
            "holds": [
                {"reason": "PaymentFailure", "message": "unpaid", "by": "alice", "placedAt": text_of(4),
                 "reactivation": None},
            ],
            "currencyCode": "EUR",
            "paymentTerms": {
                "netDays": 30, "invoiceFrequency": "Monthly", "invoiceDayOfMonth": 1, "earlyPaymentDiscount": None,
                "latePaymentPenalty": None,
            },
            "preferences": None, "paymentProfile": "card", "activatedAt": _text(day(1) - TICK), "version": 3,
            "closure": None, "boundProjects": 2,
            "closureBlockers": [
                {"reason": "ActiveBindingsExist", "field": "/account", "retryable": True,
                 "message": "the account pays for 2 projects: bind them to another account",
                 "blockers": {"count": 2, "projects": ["late", "web"]}},
                {"reason": "ChargesOutstanding", "field": "/account", "retryable": True,
                 "message": "a balance of exactly zero must be reported, as of the end of the account's last binding "
                            "or later",
                 "blockers": _BALANCE},
            ],
            "profile": {
                "paymentProfile": "card", "kind": "CreditCard", "state": "Valid", "version": 4,
                "expiresAt": text_of(30),
            },
            "balance": _BALANCE,
        }  # fmt: skip


async def test_accounts_of_other_kinds(told: AsyncEngine) -> None:
    async with asking(told) as (connection, _):
        new = await account(connection, "acme", "a-new")
        spare = await account(connection, "acme", "spare", with_balance=True)
        closed = await account(connection, "acme", "closed")
        assert await account(connection, "globex", "spare") is None
    assert new is not None
    assert spare is not None
    assert closed is not None
    # Never activated, it owes nothing; neither balance nor contact is asked for.
    assert (new["boundProjects"], new["closureBlockers"], new["profile"]) == (0, [], None)
    assert {"balance", "contact"} & new.keys() == set()
    # Its profile is attached, and not known yet.
    assert (spare["paymentProfile"], spare["profile"], spare["balance"]) == ("debit", None, None)
    assert spare["closureBlockers"][0]["blockers"] == {"count": 2, "projects": ["again", "off"]}
    assert spare["closureBlockers"][1]["blockers"] == {"outstanding": None, "currencyCode": None, "asOf": None}
    assert (closed["phase"], closed["closureBlockers"]) == ("Archived", [])


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
