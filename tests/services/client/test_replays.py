"""Replays asked for, waited for, and verified to the byte: what is not as its markers say is refused."""

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from embedded import Addresses
from tests.services.client.acting import Written, act_replay, at, make_topic, replayed, story, write
from tests.services.client.telling import bind, new_organization, set_up
from tests.support.installations import Installation
from tests.support.kafka import published
from tests.support.waiting import patience
from whopays_client import (
    BindingChanged,
    Connection,
    DigestMismatch,
    Payers,
    Publisher,
    ReplayDamaged,
    ReplayRefused,
    Replays,
    ReplayUnfinished,
    SQLiteStore,
)

Partitions = list[list[Written]]
SECONDS = 30.0


@pytest.fixture
def stage(services: Addresses) -> Connection:
    """A prefix under which only the test speaks."""
    return Connection(services.kafka_bootstrap_servers, f"s{uuid4().hex[:12]}.")


async def test_a_replay_is_waited_for_and_verified_to_the_byte(stage: Connection) -> None:
    replays = Replays(stage)
    with pytest.raises(ReplayUnfinished, match="the topic itself is missing"):
        await replays.completed("october", wait_seconds=0)
    waiting = asyncio.create_task(replays.completed("october", wait_seconds=SECONDS))
    await act_replay(stage, "october", [[*story("web", 3), (None, story("api", 1)[0][1])], [], story("db", 2)], 7)
    replay = await waiting
    assert (replay.name, replay.topic, replay.records) == ("october", stage.topic("replay.october"), 6)
    assert (replay.until, replay.selection) == (at(7), {"latest": True})
    found = [(heard.subject, heard.order) async for heard in replays.events(replay)]
    # Between partitions there is no order.
    assert [one for one in found if one[0] != "acme/db"] == [*(("acme/web", n) for n in (1, 2, 3)), ("acme/api", 1)]
    assert [one for one in found if one[0] == "acme/db"] == [("acme/db", 1), ("acme/db", 2)]
    # The digest by hand, as the contract has it.
    key, value = story("web", 1)[0]
    assert key is not None
    assert value is not None
    digest = hashlib.sha256(bytes(32) + bytes([0, 0, 0, len(key)]) + key + len(value).to_bytes(4) + value).hexdigest()
    assert json.loads(replayed("x", [story("web", 1)], 7)[0][-1][1] or b"")["data"]["digest"] == digest


async def test_a_running_whopays_replays_what_it_published(
    shared: Installation, connection: Connection, publisher: Publisher, tmp_path: Path
) -> None:
    organization, name = new_organization(), f"r-{uuid4().hex[:8]}"
    await set_up(publisher, organization, "main", "spare", projects=("web", "api"))
    for account in ("spare", "main", "spare"):
        (await publisher.send(bind(organization, "web", account))).expect()
    settings = [f"{key}={value}" for key, value in shared.environment().items() if key.startswith("WHOPAYS_")]
    replays = Replays(connection, command=("env", *settings, sys.executable, "-m", "cli"))
    # The end of a replay is the instant up to which all is known: after the last change of these.
    with closing(SQLiteStore(tmp_path / "clock.db")) as store:
        async with Payers(connection, store, "clock") as payers:
            await payers.until(datetime.now(UTC), patience(SECONDS))
    await replays.start(name, organization=organization, types=["BindingChanged"])
    await replays.start(f"{name}-now", organization=organization, types=["BindingChanged"], latest=True)
    whole, snapshot = [await replays.completed(one, wait_seconds=patience(60)) for one in (name, f"{name}-now")]
    said = [
        (one.key, one.value)
        for one in await published(shared)
        if one.topic == "bindings" and one.data["organization"] == organization
    ]
    assert len(said) == 5
    assert sorted([(heard.key, heard.value) async for heard in replays.events(whole)]) == sorted(said)
    latest = {heard.subject: heard.order async for heard in replays.events(snapshot)}
    assert latest == {f"{organization}/web": 4, f"{organization}/api": 1}
    with pytest.raises(ReplayRefused):
        await replays.start(name, organization=organization)


async def test_a_replay_without_all_its_markers_is_unfinished(stage: Connection) -> None:
    await make_topic(stage, "replay.half", 2)
    whole = replayed("half", [story("web", 2), story("api", 1)], 7)
    await write(stage, "replay.half", whole[0], partition=0, replay="half")
    await write(stage, "replay.half", whole[1][:-1], partition=1, replay="half")
    with pytest.raises(ReplayUnfinished) as unfinished:
        await Replays(stage).completed("half", wait_seconds=1)
    assert unfinished.value.partitions == (1,)


def _altered(partitions: Partitions) -> Partitions:
    key, value = partitions[0][1]
    return [[partitions[0][0], (key, (value or b"") + b" "), *partitions[0][2:]], *partitions[1:]]


def _exchanged(partitions: Partitions) -> Partitions:
    first, second, *others = partitions[0]
    return [[second, first, *others], *partitions[1:]]


def _missing(partitions: Partitions) -> Partitions:
    return [[partitions[0][0], *partitions[0][2:]], *partitions[1:]]


def _doubled(partitions: Partitions) -> Partitions:
    return [[partitions[0][0], *partitions[0]], *partitions[1:]]


def _on_another_partition(partitions: Partitions) -> Partitions:
    return [partitions[1], partitions[0]]


def _after_the_marker(partitions: Partitions) -> Partitions:
    return [[*partitions[0], partitions[0][0]], *partitions[1:]]


def _lying_about_all(partitions: Partitions) -> Partitions:
    key, value = partitions[1][-1]
    return [
        partitions[0],
        [*partitions[1][:-1], (key, (value or b"").replace(b'"totalRecords":4', b'"totalRecords":5'))],
    ]


def _lying_about_the_first(partitions: Partitions) -> Partitions:
    key, value = partitions[0][-1]
    return [[*partitions[0][:-1], (key, (value or b"").replace(b'"firstId":"7-1"', b'"firstId":"7-0"'))], partitions[1]]


DAMAGES = (
    _altered,
    _exchanged,
    _missing,
    _doubled,
    _on_another_partition,
    _after_the_marker,
    _lying_about_all,
    _lying_about_the_first,
)


@pytest.mark.parametrize("damaged", DAMAGES)
async def test_every_damage_is_found(stage: Connection, damaged: Callable[[Partitions], Partitions]) -> None:
    await make_topic(stage, "replay.bad", 2)
    whole = replayed("bad", [story("web", 3), story("api", 1)], 7)
    # The marker that ends the wait comes last: what stands after another is there by then.
    for number, records in enumerate(damaged(whole)):
        await write(stage, "replay.bad", records, partition=number, replay="bad")
    with pytest.raises(ReplayDamaged) as found:
        await Replays(stage).completed("bad", wait_seconds=SECONDS)
    assert isinstance(found.value, DigestMismatch) == (damaged in (_altered, _exchanged))


async def test_records_of_another_replay_are_no_part_of_it(stage: Connection) -> None:
    await make_topic(stage, "replay.mine", 1)
    whole = replayed("mine", [story("web", 1)], 7)
    await write(stage, "replay.mine", whole[0], replay="other")
    with pytest.raises(ReplayDamaged, match="not of this replay"):
        await Replays(stage).completed("mine", wait_seconds=SECONDS)


async def test_asking_runs_the_command_line_of_whopays(stage: Connection, tmp_path: Path) -> None:
    program = tmp_path / "whopays.py"
    program.write_text(
        "import pathlib, sys\n"
        f"pathlib.Path({str(tmp_path / 'asked')!r}).write_text(' '.join(sys.argv[1:]))\n"
        "sys.exit('the name is used' if 'used' in sys.argv else 0)\n"
    )
    replays = Replays(stage, command=(sys.executable, str(program)))
    await replays.start(
        "october",
        organization="acme",
        project="web",
        types=[BindingChanged.__name__],
        since=at(0),
        until=at(5),
        topic="side",
        partitions=3,
        rate=10,
    )
    assert (tmp_path / "asked").read_text() == (
        "replay start october --detach --organization acme --project web --type BindingChanged "
        "--from 2026-01-01T00:00:00+00:00 --until 2026-01-01T00:05:00+00:00 --topic side --partitions 3 --rate 10"
    )
    await replays.start("now", latest=True, available=True)
    assert (tmp_path / "asked").read_text() == "replay start now --detach --latest --available"
    with pytest.raises(ReplayRefused, match="the name is used") as refused:
        await replays.start("used")
    assert refused.value.status == 1
