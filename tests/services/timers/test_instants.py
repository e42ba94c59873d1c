"""What falls due happens at its instant: in order of instants, once, however late or many the timers are."""

from datetime import datetime
from typing import Any

import pytest

from schemas.instants import format_instant
from schemas.records import Record
from tests.services.timers.keeping import Keeper
from tests.support.saying import account, bind, command, profile, project, transfer
from tests.support.waiting import until
from workers import timers

GENEROUS_SECONDS = 10.0
"""The product promises a second when idle; a busy test machine is given more."""


def schedule(name: str, payer: str, command_id: str, instant: datetime) -> Record:
    """Return the command that binds a project at an instant."""
    return bind(name, payer, command_id, effectiveAt=format_instant(instant))


async def test_each_due_thing_happens_once_with_two_timers(keeper: Keeper) -> None:
    names = [f"p{number:03}" for number in range(200)]
    await keeper.establish(["a", "b"], names, payer="a")
    at = await keeper.instant("1.5 seconds")
    await keeper.hear(
        account("expiring", paymentProfile="short"),
        account("unready", paymentProfile="unheard-of"),
        profile(name="short", expiresAt=format_instant(at)),
        *(schedule(name, "b", f"s-{name}", at) for name in names),
        *(bind(f"unknown-{name}", "b", f"w-{name}", waitSeconds=1) for name in names[:60]),
        *(bind(f"{name}", "unready", f"u-{name}", waitSeconds=1) for name in names[:60]),
    )
    due = {"w": max(await keeper.all("SELECT due_at FROM pending_bindings WHERE kind = 'Waiting'")), "s": at}
    async with keeper.timers(2):
        await keeper.nothing_left()
    results = await keeper.results()
    assert {tuple(results[f"s-{name}"]) for name in names} == {("Scheduled", "Applied")}
    assert {tuple(results[f"w-{name}"]) for name in names[:60]} == {("Waiting", "ProjectNotFound")}
    assert {tuple(results[f"u-{name}"]) for name in names[:60]} == {("Waiting", "AccountNotReady")}
    log = await keeper.log()
    expired = [event for event in log if event["data"].get("reason") == "PaymentProfileExpired"]
    assert [event["data"]["account"] for event in expired] == ["expiring"]
    moved = [event for event in log if event["data"].get("change") == "Superseded"]
    assert len(moved) == len(names)
    late = [seconds_between(due["s"], event["time"]) for event in [*moved, *expired]]
    late += [
        seconds_between(due["w"], event["time"])
        for event in log
        if event["data"].get("commandId", "").startswith("w-") and event["data"]["outcome"] == "Rejected"
    ]
    print(f"at most {max(late):.3f} s late, {sum(late) / len(late):.3f} s on average")
    assert all(0 <= seconds <= GENEROUS_SECONDS for seconds in late[: len(moved) + 1])
    assert max(late) <= GENEROUS_SECONDS


async def test_timers_that_were_away_keep_the_order_of_the_instants(keeper: Keeper) -> None:
    await keeper.establish(["a", "b"], ["p1", "p2", "p3"], payer="b")
    begin, between, end = [await keeper.instant(f"{number * 0.2} seconds") for number in (2, 3, 4)]
    await keeper.hear(
        # The longest overdue comes last, so that neither the records' order nor the names decide.
        schedule("p1", "a", "after", end),
        schedule("p2", "a", "same", between),
        schedule("p3", "a", "before", begin),
        profile(2, expiresAt=format_instant(between)),
    )
    await keeper.past(end)
    async with keeper.timers():
        await keeper.nothing_left()
    results = await keeper.results()
    assert results["before"] == ["Scheduled", "Applied"]
    assert results["same"] == results["after"] == ["Scheduled", "AccountNotReady"]


async def test_what_comes_after_the_instant_does_not_overtake_late_timers(keeper: Keeper) -> None:
    await keeper.establish(["a", "b"], ["p1", "p2"])
    at = await keeper.instant("0.4 seconds")
    await keeper.hear(
        account("later", paymentProfile="late"),
        schedule("p1", "a", "scheduled", at),
        bind("p2", "later", "impatient", waitSeconds=1),
    )
    await keeper.past((await keeper.all("SELECT max(due_at) FROM pending_bindings"))[0])
    await keeper.hear(bind("p1", "b", "immediate"))
    await keeper.hear(profile(name="late"))
    results = await keeper.results()
    assert results["scheduled"] == ["Scheduled", "Applied"]
    assert results["immediate"] == ["Applied"]
    assert results["impatient"] == ["Waiting", "AccountNotReady"]
    payers = [event["data"]["current"]["account"] for event in await keeper.log() if "change" in event["data"]]
    assert payers == ["a", "b"]


async def test_what_concerns_the_account_does_not_overtake_late_timers(keeper: Keeper) -> None:
    """Neither what falls due for projects that a command does not name, nor the end of the account's profile."""
    await keeper.establish(["a", "b", "c", "left"], ["p1", "p2", "p3", "p4"])
    at = await keeper.instant("2 seconds")
    await keeper.hear(
        account("expiring", paymentProfile="short"),
        profile(name="short", expiresAt=format_instant(at)),
        bind("p3", "expiring", "in-time"),
        bind("p4", "left", "until-then"),
        schedule("p1", "a", "first", at),
        schedule("p2", "b", "second", at),
        schedule("p4", "b", "third", at),
    )
    await keeper.past(at)
    await keeper.hear(command("SuspendAccount", "suspends", account="a", reason="Administrative"))
    await keeper.hear(command("SuspendAccount", "too", account="left", reason="Administrative"))
    await keeper.hear(transfer("b", "c", "moves"), bind("p1", "expiring", "too-late"))
    await keeper.hear(profile(2, name="short"))
    results = await keeper.results()
    assert results["first"] == results["second"] == results["third"] == ["Scheduled", "Applied"]
    assert results["too-late"] == ["AccountNotReady"]
    changed = [event["data"] for event in await keeper.log() if event.get("causationid") == "moves"]
    assert [data["project"] for data in changed if "change" in data] == ["p2", "p4"]
    turns = [event["data"] for event in await keeper.log() if "previousPhase" in event["data"]]
    assert [data["reason"] for data in turns if data["account"] == "expiring"][-3:] == [
        "RequirementsMet", "PaymentProfileExpired", "RequirementsMet"
    ]  # fmt: skip
    assert [notice for notice in await keeper.notices() if notice[1] != "PayerMissing"] == [
        ("p1", "AccountSuspended", "a"), ("p3", "AccountNotReady", "expiring"), ("p3", "AccountReady", "expiring")
    ]  # fmt: skip


ENDINGS: dict[str, list[Record]] = {
    "later schedule": [bind("p", "c", "end", effectiveAt="2999-01-01T00:00:00Z")],
    "immediate binding": [bind("p", "c", "end")],
    "transfer": [transfer("a", "c", "end")],
    "deletion": [project("p", 2, "Deleted")],
    "another project of the name": [project("p", 1, uid="second")],
    "cancellation": [command("CancelScheduledBinding", "end", project="p")],
}


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("is_one_batch", (False, True))
async def test_a_schedule_is_ended(keeper: Keeper, name: str, is_one_batch: bool) -> None:
    await keeper.hear(profile(), account("a"), account("b"), account("c"), project("p", uid="first"))
    at = await keeper.instant("0.5 seconds")
    scheduling = [bind("p", "a", "first-p"), schedule("p", "b", "scheduled", at)]
    if is_one_batch:
        await keeper.hear(*scheduling, *ENDINGS[name])
    else:
        for record in (*scheduling, *ENDINGS[name]):
            await keeper.hear(record)
    results = await keeper.results()
    assert results["scheduled"] == ["Scheduled", "Superseded"]
    await keeper.past(at)
    async with keeper.timers():
        await keeper.hear(
            *([command("CancelScheduledBinding", "after", project="p")] if name == "later schedule" else [])
        )
        await keeper.nothing_left()
    assert (await keeper.results())["scheduled"] == ["Scheduled", "Superseded"]


async def test_a_schedule_outlives_what_does_not_end_it(keeper: Keeper) -> None:
    await keeper.establish(["a", "b"], ["p"], payer="a")
    at = await keeper.instant("0.6 seconds")
    await keeper.hear(
        schedule("p", "b", "scheduled", at),
        bind("p", "a", "unchanged"),
        bind("p", "nowhere", "refused"),
        bind("p", "b", "dry", dryRun=True),
        transfer("b", "a", "nothing"),
        project("p", 2, "Inactive"),
        project("p", 3, displayName="Another name"),
    )
    async with keeper.timers():
        await keeper.nothing_left()
    assert (await keeper.results())["scheduled"] == ["Scheduled", "Applied"]


async def test_commands_that_wait_are_served_in_order_across_batches(keeper: Keeper) -> None:
    await keeper.hear(profile(), account("a"), account("b"))
    await keeper.hear(bind("p", "a", "c0", waitSeconds=600))
    for number in range(1, 6):
        # A new keeper each time, as after a restart.
        await Keeper(keeper.engine).hear(bind("p", "ab"[number % 2], f"c{number}"))
    at = await keeper.instant("0.5 seconds")
    await keeper.hear(schedule("p", "b", "scheduled", at), bind("p", "b", "last"))
    await keeper.hear(project("p"))
    results = await keeper.results()
    assert [results[f"c{number}"] for number in range(6)] == [["Waiting", "Applied"]] * 6
    assert results["last"] == ["Waiting", "Unchanged"]
    payers = [event["data"]["current"]["account"] for event in await keeper.log() if "change" in event["data"]]
    assert payers == ["a", "b", "a", "b", "a", "b"]
    finals = [event["data"]["commandId"] for event in await keeper.log() if "commandId" in event["data"]]
    assert finals[-7:] == ["c0", "c1", "c2", "c3", "c4", "c5", "last"]
    # It waited behind the others, and has been scheduled since, without another interim result.
    async with keeper.timers():
        await keeper.nothing_left()
    assert (await keeper.results())["scheduled"] == ["Waiting", "Unchanged"]


async def test_the_end_of_a_wait_lets_those_behind_it_go(keeper: Keeper) -> None:
    await keeper.hear(profile(), account("a"), account("unready", paymentProfile="none"), project("p"))
    await keeper.hear(bind("p", "unready", "head", waitSeconds=1), bind("p", "a", "second"))
    await keeper.hear(bind("p", "unready", "third", waitSeconds=2), bind("p", "a", "fourth", waitSeconds=1))
    assert set(map(tuple, (await keeper.results()).values())) >= {("Waiting",)}
    async with keeper.timers(2):
        await keeper.nothing_left()
    results = await keeper.results()
    assert results["head"] == results["third"] == ["Waiting", "AccountNotReady"]
    assert results["second"] == ["Waiting", "Applied"]
    assert results["fourth"] == ["Waiting", "Unchanged"]


async def test_a_project_of_the_same_name_gets_what_waits_and_not_what_was_scheduled(keeper: Keeper) -> None:
    await keeper.hear(profile(), account("a"), account("b"), account("unready", paymentProfile="late"))
    await keeper.hear(project("p", uid="first"), bind("p", "a", "bound"))
    await keeper.hear(bind("p", "b", "scheduled", effectiveAt="2999-01-01T00:00:00Z"))
    await keeper.hear(bind("p", "unready", "waiting", waitSeconds=600), bind("p", "b", "behind", expectedAccount=None))
    await keeper.hear(project("p", 1, uid="second"))
    results = await keeper.results()
    assert results["scheduled"] == ["Scheduled", "Superseded"]
    assert results["waiting"] == results["behind"] == ["Waiting"]
    await keeper.hear(profile(name="late"))
    results = await keeper.results()
    assert results["waiting"] == ["Waiting", "Applied"]
    assert results["behind"] == ["Waiting", "PreconditionFailed"]
    changes = [event["data"]["change"] for event in await keeper.log() if "change" in event["data"]]
    assert changes == ["Bound", "Released", "Bound"]


async def test_what_has_a_fault_is_left_alone_and_holds_nothing_up(
    keeper: Keeper, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where as much is left alone as is done at once."""
    monkeypatch.setattr(timers, "_AT_ONCE", 1)
    names = [f"p{number}" for number in range(12)]
    await keeper.establish(["a", "b"], [*names, "poison"], payer="a")
    await keeper.alter("ALTER TABLE bindings ADD CONSTRAINT no_poison CHECK (project <> 'poison' OR account <> 'b')")
    at = await keeper.instant("0.3 seconds")
    await keeper.hear(*(schedule(name, "b", f"s-{name}", at) for name in ["poison", *names]))
    await keeper.past(at)

    async def others_done() -> bool:
        return await keeper.all("SELECT project FROM pending_bindings") == ["poison"]

    async with keeper.timers():
        await until(others_done, "what has no fault")
        later = await keeper.instant("0.3 seconds")
        await keeper.hear(schedule("p0", "a", "later", later))
        await keeper.past(later)
        await until(others_done, "what falls due later")
    faults = [line for line in lines if line["event"] == "batch_faulty" and line["records"] == 1]
    assert len(faults) == 1
    await keeper.alter("ALTER TABLE bindings DROP CONSTRAINT no_poison")
    async with keeper.timers():
        await keeper.nothing_left()
    assert (await keeper.results())["s-poison"] == ["Scheduled", "Applied"]


async def test_a_fault_is_tried_again_after_a_while(
    keeper: Keeper, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "_AVOID_SECONDS", 0.1)
    await keeper.establish(["a", "b"], ["p"], payer="a")
    await keeper.alter("ALTER TABLE bindings ADD CONSTRAINT no_poison CHECK (account <> 'b')")
    await keeper.hear(schedule("p", "b", "scheduled", await keeper.instant("0.2 seconds")))

    async def tried_twice() -> bool:
        return len([line for line in lines if line["event"] == "batch_faulty"]) > 1

    async with keeper.timers():
        await until(tried_twice, "a second attempt")
        await keeper.alter("ALTER TABLE bindings DROP CONSTRAINT no_poison")
        await keeper.nothing_left()
    assert (await keeper.results())["scheduled"] == ["Scheduled", "Applied"]


def seconds_between(instant: datetime, said: str) -> float:
    """Return the seconds between two instants in an event."""
    return (datetime.fromisoformat(said) - instant).total_seconds()
