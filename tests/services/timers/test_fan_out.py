"""Fan-outs on a real database: once each, in order, resumed, and in turn with other organizations of the shard."""

import asyncio
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from db import load
from db.placing import shard_of
from domain import bindings, notices
from tests.services.timers.keeping import Keeper
from tests.support.saying import bind, command, project, reactivate, suspend, transfer
from tests.support.waiting import until
from tests.unit.fan_outs.memory import Organization, Told
from tests.unit.fan_outs.moves import Story, opening


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes pages and transfers small."""
    monkeypatch.setattr(load, "AT_ONCE", 3)
    monkeypatch.setattr(notices, "AT_ONCE", 3)
    monkeypatch.setattr(notices, "AT_ONCE_IN_ALL", 5)
    monkeypatch.setattr(load, "FAN_OUT_PAGE", 2)


@pytest.fixture
def small_transfers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transfer moves few."""
    for module in (bindings, load):
        monkeypatch.setattr(module, "MOST_PROJECTS", 7)


@pytest.mark.parametrize("seed", range(6))
async def test_any_batches_and_pages_tell_what_would_be_told_at_once(
    keeper: Keeper, small_pages: None, small_transfers: None, seed: int
) -> None:
    chance = Random(seed)
    story = Story(chance)
    inline = Organization()
    records = [*opening(), *(record for _ in range(80) for record in story.move())]
    # In the order of the consumers: a batch holds records of one topic.
    batches = []
    while records:
        size = chance.choice((1, 2, 5, 20))
        same = [record for record in records[:size] if record.topic == records[0].topic]
        batches.append(same)
        records = [record for record in records if record not in same]
    for batch in batches:
        for record in batch:
            inline.hear(record)
    async with keeper.timers(2):
        for batch in batches:
            await keeper.hear(*batch)
        await _all_told(keeper)
    assert await _told(keeper) == inline.told()
    assert await keeper.all("SELECT count(*) FROM dead_letters") == [0]


async def test_two_timers_tell_each_project_once_in_order(keeper: Keeper, small_pages: None) -> None:
    names = [f"p{number:03}" for number in range(101)]
    await keeper.establish(["a"], names, payer="a")
    await keeper.hear(suspend("a", "stop"))
    await keeper.hear(*reactivate("a", "go"))
    async with keeper.timers(2):
        await _all_told(keeper)
    told = await keeper.notices()
    missing, billed = told[: len(names)], told[len(names) :]
    assert missing == [(name, "PayerMissing", None) for name in names]
    kinds = ("AccountSuspended", "AccountReady")
    assert billed == [(name, kind, "a") for kind in kinds for name in names]


async def test_other_organizations_of_the_shard_get_their_turn(keeper: Keeper, small_pages: None) -> None:
    names = [f"p{number:03}" for number in range(200)]
    await keeper.establish(["a"], names, payer="a")
    shard = shard_of("acme", keeper.settings.shards)
    neighbour = next(
        name for name in (f"n{number}" for number in range(9999)) if shard_of(name, keeper.settings.shards) == shard
    )
    await keeper.hear(suspend("a", "stop"))

    async def begun() -> bool:
        return await keeper.all("SELECT told > '' FROM fan_outs") == [True]

    async with keeper.timers(2):
        await until(begun, "the first page")
        await keeper.hear(command("CreateAccount", "create", organization=neighbour, account="a"))
        await keeper.hear(command("SuspendAccount", "none", account="nowhere", reason="Administrative"))
        await _all_told(keeper)
    topics = await keeper.all("SELECT topic FROM log ORDER BY position")
    between = topics[topics.index("accounts") :]
    assert between[-1] == "notices"
    assert len(await keeper.log(neighbour)) == 3


async def test_a_small_fan_out_does_not_wait_for_a_large_one(keeper: Keeper, small_pages: None) -> None:
    large = [f"large-{number:03}" for number in range(100)]
    small = [f"small-{number}" for number in range(4)]
    await keeper.establish(["a", "b"], [*large, *small])
    await keeper.hear(*(bind(name, "a", name) for name in large), *(bind(name, "b", name) for name in small))
    await keeper.hear(suspend("a", "stop-a"), suspend("b", "stop-b"))
    async with keeper.timers():
        await _all_told(keeper)
    order = [name for name, kind, _ in await keeper.notices() if kind == "AccountSuspended"]
    assert sorted(order) == sorted([*large, *small])
    assert max(map(order.index, small)) <= 10


async def test_a_fan_out_with_a_fault_holds_nothing_up(keeper: Keeper, small_pages: None, lines: list[Any]) -> None:
    names = [f"p{number}" for number in range(8)]
    await keeper.establish(["a", "b"], names)
    await keeper.hear(*(bind(name, "ab"[number % 2], name) for number, name in enumerate(names)))
    await keeper.alter("ALTER TABLE fan_outs ADD CONSTRAINT no_poison CHECK (account <> 'a' OR told = '')")
    await keeper.hear(suspend("a", "stop-a"), suspend("b", "stop-b"))

    async def other_is_told() -> bool:
        return await keeper.all("SELECT account FROM fan_outs") == ["a"]

    async with keeper.timers():
        await until(other_is_told, "the fan-out without a fault")
        at = await keeper.instant("0.3 seconds")
        await keeper.past(at)
    assert len([line for line in lines if line["event"] == "batch_faulty"]) == 1
    await keeper.alter("ALTER TABLE fan_outs DROP CONSTRAINT no_poison")
    async with keeper.timers():
        await _all_told(keeper)
    told = [name for name, kind, _ in await keeper.notices() if kind == "AccountSuspended"]
    assert sorted(told) == names


async def test_what_a_batch_takes_away_before_is_not_missed_afterwards(
    keeper: Keeper, small_pages: None, small_transfers: None
) -> None:
    """More names are loaded than are notified or moved at once, by as many as the batch may take away."""
    names = [f"p{number:02}" for number in range(13)]
    await keeper.establish(["a", "b", "c"], names, payer="a")
    await keeper.hear(
        transfer("a", "b", "listed", projects=names[:6]),
        transfer("a", "c", "rest", dryRun=True),
        suspend("a", "stop"),
        transfer("a", "b", "again", projects=names[6:11]),
        *reactivate("a", "go"),
        transfer("a", "c", "all"),
    )
    async with keeper.timers():
        await _all_told(keeper)
    results = await keeper.results()
    assert [results[name] for name in ("listed", "rest", "stop", "again", "all")] == [["Applied"]] * 5
    told = await keeper.notices()
    for number, name in enumerate(names):
        heard = [kind for project_name, kind, _ in told if project_name == name]
        suspended = ["AccountSuspended"] if number >= 6 else []
        ready = ["AccountReady"] if number >= 11 else []
        assert heard == ["PayerMissing", *suspended, *ready]
    payers = await keeper.all("SELECT account FROM projects WHERE account IS NOT NULL ORDER BY project")
    assert payers == ["b"] * 11 + ["c"] * 2


async def test_an_account_that_loses_and_gains_in_one_batch(keeper: Keeper) -> None:
    await keeper.establish(["a", "b"], ["p1", "p2", "p3"], payer="a")
    await keeper.hear(bind("p2", "b", "1"))
    await keeper.hear(bind("p1", "b", "2"), bind("p2", "a", "3"), bind("p3", "b", "4"), bind("p1", "a", "5"))
    assert {tuple(outcomes) for outcomes in (await keeper.results()).values()} == {("Applied",)}


async def test_many_small_accounts_at_once_are_told_in_bounded_transactions(keeper: Keeper, small_pages: None) -> None:
    accounts = [f"a{number}" for number in range(6)]
    names = [f"p{number:02}" for number in range(12)]
    await keeper.establish(accounts, names)
    await keeper.hear(*(bind(name, accounts[number % 6], name) for number, name in enumerate(names)))
    await keeper.hear(*(suspend(name, f"stop-{name}") for name in accounts))
    assert len([one for one in await keeper.notices() if one[1] == "AccountSuspended"]) == 4
    async with keeper.timers():
        await _all_told(keeper)
    told = [name for name, kind, _ in await keeper.notices() if kind == "AccountSuspended"]
    assert sorted(told) == names
    counts = [event["data"]["eventCount"] for event in await keeper.log() if "commandId" in event["data"]]
    assert counts[-6:] == [4] * 6


async def test_project_deleted_and_come_back_while_it_is_yet_to_be_told(keeper: Keeper, small_pages: None) -> None:
    names = [f"p{number}" for number in range(6)]
    await keeper.establish(["a", "b"], names, payer="a")
    await keeper.hear(project("p4", 2, uid="first"), suspend("a", "stop"))
    await keeper.hear(project("p5", 2, "Deleted"), project("p4", 1, uid="another"))
    await keeper.hear(*reactivate("a", "go"), project("p5", 3), bind("p5", "a", "back"), bind("p3", "b", "away"))
    await asyncio.gather(keeper.hear(suspend("a", "again")), keeper.hear(bind("p3", "b", "still")))
    async with keeper.timers():
        await _all_told(keeper)
    told: dict[str, list[str]] = {}
    for name, kind, _ in await keeper.notices():
        told.setdefault(name, []).append(kind)
    usual = ["PayerMissing", "AccountSuspended", "AccountReady", "AccountSuspended"]
    assert told["p0"] == told["p1"] == told["p2"] == usual
    assert told["p3"] == ["PayerMissing", "AccountSuspended", "AccountReady"]
    assert told["p4"] == ["PayerMissing", "AccountSuspended", "PayerMissing"]
    assert told["p5"] == ["PayerMissing", "AccountSuspended", "PayerMissing", "AccountSuspended"]


async def _all_told(keeper: Keeper) -> None:
    async def look() -> bool:
        return await keeper.all("SELECT count(*) FROM fan_outs") == [0]

    await until(look, "the last notice")


async def _told(keeper: Keeper) -> Told:
    found: Told = {}
    for event in await keeper.log():
        data = event["data"]
        if event["type"].endswith("ProjectBillingNotice.v1"):
            found.setdefault(data["project"], []).append((data["kind"], data["account"], data["message"]))
        elif "change" in data:
            payer = data["current"] and data["current"]["account"]
            found.setdefault(data["project"], []).append((data["change"], payer, ""))
    return found


_BOUND_TO_X = (
    "SELECT project FROM projects WHERE organization = 'acme' AND account = 'x' AND project >= 'a' ORDER BY project"
)


async def test_names_are_read_in_the_order_of_bytes(keeper: Keeper) -> None:
    """Whatever the database's own order is: the rules compare names with the last one that was notified."""
    assert await keeper.all(
        "SELECT collation_name FROM information_schema.columns"
        " WHERE table_name IN ('bindings', 'projects') AND column_name = 'project'"
    ) == ["C", "C"]
    names = ["a", "a-0", "a-z", "a.b", "a.z", "a0", "aa"]
    await keeper.establish(["x"], names[::-1], payer="x")
    assert await keeper.all(_BOUND_TO_X) == names
    async with keeper.engine.begin() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join((await connection.execute(text(f"EXPLAIN {_BOUND_TO_X} LIMIT 1000"))).scalars())
    assert "Sort" not in plan
