"""Answers do not depend on recent traffic: no shortcut of a worker shows (docs/contract.md, section 6).

A worker skips lookups: it remembers what it wrote, and assumes that ids are new until one was not. A worker that has
just started does neither.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db import log
from tests.support.batches import batches
from tests.support.forgetting import forget_commands_of
from tests.support.model.said import Said
from tests.support.model.stories import Story
from tests.support.telling import tell, tell_again, told
from workers.batches.transaction import _WARY_BATCHES, Batches

_NEVER_SECONDS = 1800
_CARD = {"paymentProfile": "card", "kind": "CreditCard", "state": "Valid", "version": 1}
_BEGINNING = (
    Said("PaymentProfileChanged", "f1", _CARD),
    Said("ProjectChanged", "f2", {"project": "p", "state": "Active", "version": 1}),
    Said("CreateAccount", "a", {"account": "a", "currencyCode": "USD", "paymentTerms": {}, "paymentProfile": "card"}),
    Said("CreateAccount", "b", {"account": "b", "currencyCode": "USD", "paymentTerms": {}, "paymentProfile": "card"}),
)  # fmt: skip
_BIND = Said("BindProject", "x", {"project": "p", "account": "a"})
_OTHER = replace(_BIND, data={"project": "p", "account": "b"})


def of(said: Said, organization: str = "acme") -> Said:
    return replace(said, data={"organization": organization} | said.data)


async def begun(engine: AsyncEngine) -> Batches:
    """Return a worker that has processed the beginning, and has seen no repetition for a long time."""
    worker = batches(engine)
    for one in _BEGINNING:
        await tell(worker, [of(one)])
    return worker


async def be_quiet(worker: Batches) -> None:
    for number in range(_WARY_BATCHES + 8):
        await tell(worker, [of(Said("WithdrawClosure", f"quiet-{number}-{id(object())}", {"account": "a"}))])


async def results(engine: AsyncEngine, command_id: str) -> list[Any]:
    """Return the results under an id: reasons, or the outcome."""
    async with engine.connect() as connection:
        statement = text("SELECT value FROM log WHERE topic = 'command-results' ORDER BY position")
        found = [json.loads(value)["data"] for value in (await connection.execute(statement)).scalars()]
    return [
        [rule["reason"] for rule in data["violations"]] or (data["outcome"], data.get("repeated", False))
        for data in found
        if data["commandId"] == command_id
    ]


@pytest.mark.parametrize("is_quiet", (False, True))
@pytest.mark.parametrize("authid", (None, "system:x", "ann\u200b"))
async def test_whoever_is_not_let_in_is_told_so_always(engine: AsyncEngine, authid: str | None, is_quiet: bool) -> None:
    worker = await begun(engine)
    await tell(worker, [of(_BIND)])
    expected: list[Any] = [("Applied", False)]
    for said, answer in (
        (replace(_BIND, authid=authid), ["Unauthenticated"]),
        (_BIND, None),
        (replace(_BIND, authid=authid, answer="again"), ["Unauthenticated"]),
        (replace(_OTHER, authid=authid), ["Unauthenticated"]),
        (_OTHER, ["CommandIdReused"]),
        (replace(_BIND, answer="again"), ("Applied", True)),
    ):
        if is_quiet:
            await be_quiet(worker)
        await tell(worker, [of(said)])
        expected += [] if answer is None else [answer]
        assert await results(engine, "x") == expected


@pytest.mark.parametrize("is_restarted", (False, True))
@pytest.mark.parametrize("is_new", (False, True))
async def test_an_answer_is_given_once_for_a_record(engine: AsyncEngine, *, is_new: bool, is_restarted: bool) -> None:
    """A redelivered record that asked is recognized by its place, even if it is the one that claimed the id."""
    worker = await begun(engine)
    if not is_new:
        await tell(worker, [of(_BIND)])
    asking = await tell(worker, [of(replace(_BIND, answer="again"))])
    before = await results(engine, "x")
    assert before == [("Applied", False)] if is_new else [("Applied", False), ("Applied", True)]
    worker = batches(engine) if is_restarted else worker
    await tell_again(worker, asking)
    assert await results(engine, "x") == before
    await tell(worker, [of(replace(_BIND, answer="again"))])
    assert await results(engine, "x") == [*before, ("Applied", True)]


async def test_a_repetition_that_would_fail_as_new_is_a_repetition(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await begun(engine)
    await tell(worker, [of(_BIND)])
    await tell(worker, [of(replace(_OTHER, id="y"))])
    await be_quiet(worker)
    before = await told(engine, "acme")
    # Judged as new, it would bind the project again, and its event would be too large.
    monkeypatch.setitem(log._LARGEST_BYTES, "bindings", 10)
    await tell(worker, [of(_BIND)])
    assert await told(engine, "acme") == before


async def test_the_result_of_a_binding_that_was_put_off_is_its_latest(engine: AsyncEngine) -> None:
    worker = await begun(engine)
    waiting = Said("BindProject", "w", {"project": "late", "account": "a", "waitSeconds": 3600})
    again = replace(waiting, answer="again")
    late = Said("ProjectChanged", "f3", {"project": "late", "state": "Active", "version": 1})
    for said in (waiting, again, late, again):
        await tell(worker, [of(said)])
    assert await results(engine, "w") == [("Waiting", False), ("Waiting", True), ("Applied", False), ("Applied", True)]
    async with engine.connect() as connection:
        values = (await connection.execute(text("SELECT value FROM log WHERE topic = 'command-results'"))).scalars()
        told_of = [data for value in values if (data := json.loads(value)["data"])["commandId"] == "w"]
    waiting_first, waiting_again, applied, applied_again = told_of
    assert waiting_again == waiting_first | {"repeated": True}
    assert applied_again == applied | {"repeated": True}
    assert {data["fingerprint"] for data in told_of} == {applied["fingerprint"]}


@pytest.mark.parametrize("is_forgotten", (False, True))
async def test_a_result_whose_row_is_archived_cannot_be_repeated(engine: AsyncEngine, is_forgotten: bool) -> None:
    worker = await begun(engine)
    await tell(worker, [of(_BIND)])
    if is_forgotten:
        await forget_commands_of(engine, ["acme"])
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE log DETACH PARTITION log_p0"))
        await connection.execute(text("CREATE TABLE log_new PARTITION OF log FOR VALUES FROM (0) TO (1000000)"))
    await tell(worker, [of(replace(_BIND, answer="again"))])
    assert await results(engine, "x") == [["Expired"]]


@pytest.mark.parametrize("seed", range(3))
async def test_stories_with_echoes(engine: AsyncEngine, seed: int) -> None:
    """An idle worker, a busy one, a new one for each record, and large batches all give the same answers.

    And so does one whose commands are forgotten as soon as they are answered.
    """
    now, chance = datetime.now(UTC) + timedelta(seconds=1), Random(seed)
    names = ("acme", "globex", "hooli", "stark", "initech")
    warm, large, small = batches(engine), batches(engine), batches(engine, remembered_records=2)
    forgotten = batches(engine)
    stories = [_story(name, seed, now) for name in names]
    for one, two, three, four in zip(*stories[:4], strict=True):
        warm._wary_batches = chance.choice((0, 0, 0, 1, _WARY_BATCHES))
        small._wary_batches = chance.choice((0, 1))
        await tell(warm, [one])
        await tell(batches(engine), [two])
        await tell(small, [three])
        forgotten._wary_batches = chance.choice((0, 1))
        await tell(forgotten, [four])
        await forget_commands_of(engine, ["stark"])
    for batch in _in_parts(stories[4], chance):
        large._wary_batches = chance.choice((0, 0, 1))
        await tell(large, batch)
    first, *others = [await told(engine, name) for name in names]
    for answer in ('"repeated": true', "Unauthenticated", "CommandIdReused", "Expired", "UnknownCommand"):
        assert any(answer in one for one in first), answer
    for other in others:
        assert other == first


def _story(organization: str, seed: int, now: datetime) -> Sequence[Said]:
    chance = Random(seed)
    story = Story(chance, organization, seconds_ahead=(_NEVER_SECONDS,), settled_ahead=240.5)
    said = story.prologue()
    for _ in range(6):
        said += [*story.scene(now), story.command(now), story.project_fact(), story.profile_fact(now)]
        said += [_echo(chance, [one for one in said if one.topic == "admin-commands"], now) for _ in range(8)]
    return said


def _echo(chance: Random, commands: Sequence[Said], now: datetime) -> Said:
    """Return a command that reuses an id: with the same meaning or not, by somebody or nobody, dry run or expired."""
    one, other = chance.choice(commands), chance.choice(commands)
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"authid": None},
        {"authid": "Bob", "answer": "again"},
        {"answer": "again"},
        {"authid": None, "answer": "again"},
        {"type": other.type, "data": other.data},
        {"type": other.type, "data": other.data, "authid": "SYSTEM:x"},
        {"type": other.type, "data": other.data, "answer": "again"},
        {"data": one.data | {"dryRun": True}, "answer": "again"},
        {"type": "FlyProject"},
        {"id": f"{one.id}-echo-{chance.randrange(10)}", "expirytime": (now - timedelta(hours=1)).isoformat()},
        {"id": f"{one.id}-echo-{chance.randrange(10)}", "type": "FlyProject", "answer": "again"},
    )
    return replace(one, **chance.choice(changes))


def _in_parts(said: Sequence[Said], chance: Random) -> list[list[Said]]:
    """Split messages where the topic changes, since a batch has one topic, and at random elsewhere."""
    parts: list[list[Said]] = []
    for one in said:
        if parts and parts[-1][-1].topic == one.topic and chance.random() < 0.95:
            parts[-1].append(one)
        else:
            parts.append([one])
    return parts
