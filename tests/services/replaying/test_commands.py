"""`whopays replay`: what is refused and why, going on, handing over, stopping, forgetting."""

import asyncio
from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from db.replays import find_replay, stop_replay
from schemas.instants import format_instant, parse_instant
from schemas.replays import ReplayState
from tests.services.replaying.telling import close, log_of, now, records_of
from tests.services.replaying.telling import told as told_by
from tests.support.command_line import whopays_of
from tests.support.installations import Installation
from tests.support.kafka import exactly_published, send
from tests.support.messages import project
from tests.support.waiting import until
from workers.replaying.target import remove_target
from workers.runtime.roles import Role
from workers.topics.cluster import administration, describe


async def _has_topic(installation: Installation, name: str) -> bool:
    async with administration(installation.settings) as client:
        return name in (await describe(client, [name])).topics


async def _make_topic(installation: Installation, name: str, partitions: int, **settings: str) -> None:
    async with administration(installation.settings) as client:
        configs = {key.replace("_", "."): value for key, value in settings.items()}
        await client.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
    await until(lambda: _has_topic(installation, name), "the topic")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    (
        (["Bad_Name"], 2, "cannot be a replay's name"),
        (["a" * 65], 2, "1 to 64 characters"),
        (["x", "--project=web"], 2, "only selected together with --organization"),
        (["x", "--organization=acme", "--type=DeadLetter"], 2, "belong to none"),
        (["x", "--type=Watermark"], 2, "control record"),
        (["x", "--type=io.milo.billing.ReplayCompleted.v1"], 2, "control record"),
        (["x", "--type=Nonsense"], 2, "is not an event"),
        (["x", "--after=1-2", "--after=1-3"], 2, "the second of shard 1"),
        (["x", "--after=one"], 2, "not an event id"),
        (["x", "--from=2027-01-01T00:00:00Z", "--until=2026-01-01T00:00:00Z"], 2, "not before"),
        (["x", "--from=yesterday"], 2, "RFC 3339"),
        (["x", "--latest", "--after=1-2"], 2, "neither --from nor --after"),
        (["x", "--latest", "--type=CommandCompleted"], 2, "can match"),
        (["x", "--organization=acme", "--project=web", "--type=AccountChanged"], 2, "can match"),
        (["x", "--partitions=0"], 2, "0"),
        (["x", "--rate=0"], 2, "0"),
        (["x", "--rate=2147483648"], 2, "2147483648 is not in the range"),
        (["x", "--topic=a b"], 2, "name of a topic"),
        (["x", "--organization=nobody"], 1, "organization nobody"),
        (["x", "--organization=acme", "--project=none", "--account=nil"], 1, "no project none"),
        (["x", "--organization=acme", "--account=nil"], 1, "no account nil"),
        (["x", "--after=1-99999"], 1, "the last event of shard 1"),
        (["x", "--after=999-1"], 1, "there is no shard 999, only 0 to 47"),
        (["x", "--from=2999-01-01T00:00:00Z"], 1, "is not before"),
        (["x", "--until=2999-01-01T00:00:00Z"], 1, "more than a minute ahead"),
    ),
)
async def test_refused(told: Installation, words: list[str], status: int, said: str) -> None:
    ran = (await whopays_of(told)("replay", "start", *words)).expect(status)
    assert said in ran.err, ran.err
    assert "no replay x" in (await whopays_of(told)("replay", "show", "x")).expect(1).err
    assert not await _has_topic(told, f"{told.prefix}replay.x")


@pytest.mark.parametrize(
    ("changed", "said"),
    (
        ({"WHOPAYS_INSTALLATION": "another"}, "installation"),
        ({"WHOPAYS_TOPIC_PREFIX": "another."}, "WHOPAYS_TOPIC_PREFIX says another."),
    ),
)
async def test_an_installation_that_is_not_meant(told: Installation, changed: dict[str, str], said: str) -> None:
    assert said in (await whopays_of(told)("replay", "list", **changed)).expect(1).err


async def test_targets_that_are_refused(told: Installation) -> None:
    whopays = whopays_of(told)
    taken = f"{told.prefix}bindings"
    for own in (taken, f"{told.prefix}replay-positions"):
        assert "whopays' own" in (await whopays("replay", "start", "t1", f"--topic={own}")).expect(1).err
    compacted, filled, empty = (f"{told.prefix}{one}" for one in ("compacted", "filled", "empty"))
    await _make_topic(told, compacted, 1, cleanup_policy="compact")
    await _make_topic(told, filled, 2)
    await _make_topic(told, empty, 5)
    async with AIOKafkaProducer(bootstrap_servers=told.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(filled, b"something")
    assert "compacted" in (await whopays("replay", "start", "t1", f"--topic={compacted}")).expect(1).err
    assert "not empty" in (await whopays("replay", "start", "t1", f"--topic={filled}")).expect(1).err
    ran = await whopays("replay", "start", "t1", f"--topic={empty}", "--partitions=4")
    assert "5 partitions, not 4" in ran.expect(1).err
    (await whopays("replay", "start", "t1", f"--topic={empty}")).expect(0)
    assert len(await records_of(told, empty)) == 5
    assert "another replay's" in (await whopays("replay", "start", "t2", f"--topic={empty}")).expect(1).err
    (await whopays("replay", "start", "t1", f"--topic={empty}")).expect(0)


async def test_a_name_stands_for_one_replay(told: Installation) -> None:
    whopays = whopays_of(told)
    words = ("replay", "start", "n1", "--organization=acme", "--partitions=3")
    first = (await whopays(*words, "--type=BindingChanged", "--json")).expect(0).document
    before = await records_of(told, f"{told.prefix}replay.n1")
    same = (await whopays(*words, "--type=io.milo.billing.BindingChanged.v1", "--json")).expect(0).document
    assert same == first == (await whopays("replay", "show", "n1", "--json")).expect(0).document
    assert [told_by(one) for one in await records_of(told, f"{told.prefix}replay.n1")] == [
        told_by(one) for one in before
    ]
    for other, said in (
        (("--type=AccountChanged",), "selection"),
        (("--type=BindingChanged", "--latest"), "selection"),
        (("--type=BindingChanged", "--topic=elsewhere"), "topic"),
    ):
        assert said in (await whopays(*words, *other)).expect(1).err
    twelve = ("replay", "start", "n1", "--organization=acme", "--type=BindingChanged")
    assert "3 partitions, not 12" in (await whopays(*twelve)).expect(1).err
    assert "n1" in (await whopays("replay", "list")).expect(0).out
    assert (await whopays("replay", "show", "n1")).expect(0).out.splitlines()[0].split()[-2:] == ["n1", "done"]
    listed = (await whopays("replay", "list", "--json")).expect(0).document
    assert first in listed


async def test_a_dry_run_leaves_nothing(told: Installation) -> None:
    whopays = whopays_of(told)
    words = ("replay", "start", "d1", "--latest", "--partitions=3", "--json")
    dry = (await whopays(*words, "--dry-run")).expect(0).document
    assert dry["target"] is None
    assert "no replay d1" in (await whopays("replay", "show", "d1")).expect(1).err
    assert not await _has_topic(told, f"{told.prefix}replay.d1")
    done = (await whopays(*words, f"--until={dry['until']}")).expect(0).document
    for member in ("records", "types", "partitions", "shards", "until"):
        assert dry[member] == done[member]


async def test_handed_over_stopped_and_resumed(told: Installation) -> None:
    whopays = whopays_of(told)
    words = ("replay", "start", "h1", "--partitions=2", "--rate=20")
    begun = (await whopays(*words, "--detach", "--json")).expect(0).document
    assert begun["state"] == "Running"

    async def has_come(records: int) -> dict[str, Any] | None:
        shown: dict[str, Any] = (await whopays("replay", "show", "h1", "--json")).expect(0).document
        return shown if shown["records"] >= records else None

    await until(lambda: has_come(1), "the first records")
    assert "not done" in (await whopays("replay", "forget", "h1")).expect(1).err
    stopped = (await whopays("replay", "stop", "h1", "--json")).expect(0).document
    assert stopped["state"] == "Stopped"
    async with told.engine.connect() as connection:
        replay = await find_replay(connection, "h1")
    assert replay is not None
    assert not replay.is_leased, "whoever worked on it has ended"
    found = [one for records in await records_of(told, f"{told.prefix}replay.h1") for one in records]
    assert len(found) > 0
    assert not any(b"ReplayCompleted" in one.value for one in found)
    assert (await whopays("replay", "resume", "h1", "--rate=20", "--json")).expect(0).document["state"] == "Running"
    (await whopays("replay", "resume", "h1", "--rate=100000")).expect(0)

    async def is_done() -> bool:
        return bool((await whopays("replay", "show", "h1", "--json")).expect(0).document["state"] == "Done")

    await until(is_done, "the end")
    undisturbed = (
        (await whopays("replay", "start", "h2", "--partitions=2", f"--until={begun['until']}", "--json"))
        .expect(0)
        .document
    )
    manifest = (await whopays("replay", "show", "h1", "--json")).expect(0).document
    assert manifest["partitions"] == undisturbed["partitions"]
    assert "nothing to stop" in (await whopays("replay", "stop", "h1")).expect(1).err
    (await whopays("replay", "resume", "h1")).expect(0)
    topic = f"{told.prefix}replay.h1"
    assert f"Removed {topic}. The manifest stays" in (await whopays("replay", "forget", "h1")).expect(0).out
    again = (await whopays("replay", "forget", "h1", "--json")).expect(0).document
    assert again == {"name": "h1", "topic": topic}
    assert (await whopays("replay", "show", "h1", "--json")).expect(0).document == manifest

    async def is_gone() -> bool:
        return not await _has_topic(told, f"{told.prefix}replay.h1")

    await until(is_gone, "the removal")
    (await whopays(*words)).expect(0)
    assert not await _has_topic(told, f"{told.prefix}replay.h1")


async def test_another_topic_of_the_same_name_is_not_removed(told: Installation) -> None:
    whopays, topic = whopays_of(told), f"{told.prefix}replay.f1"
    (await whopays("replay", "start", "f1", "--partitions=1", "--type=AccountChanged")).expect(0)
    assert await remove_target(told.settings, topic)

    async def is_gone() -> bool:
        return not await _has_topic(told, topic)

    await until(is_gone, "the removal")
    await _make_topic(told, topic, 1)
    assert f"{topic} is another topic by now" in (await whopays("replay", "forget", "f1")).expect(0).out
    assert await _has_topic(told, topic)
    (await whopays("replay", "start", "f2", f"--topic={topic}", "--type=AccountChanged")).expect(0)
    assert f"Removed {topic}." in (await whopays("replay", "forget", "f2")).expect(0).out
    await until(is_gone, "the removal")


async def test_stopped_in_the_foreground(told: Installation) -> None:
    """Status 3 says so, of `start` as of `resume`; there are no markers until it is done."""
    whopays, shown = whopays_of(told), 0
    start = ("replay", "start", "s1", "--partitions=1", "--json")
    for words in ((*start, "--rate=5"), ("replay", "resume", "s1", "--rate=5", "--json")):
        working = asyncio.ensure_future(whopays(*words))

        async def has_come(more_than: int = shown) -> bool:
            async with told.engine.connect() as connection:
                replay = await find_replay(connection, "s1")
            return replay is not None and replay.state is ReplayState.RUNNING and replay.records > more_than

        await until(has_come, "more records")
        async with told.engine.begin() as connection:
            await stop_replay(connection, "s1")
        stopped = (await working).expect(3).document
        (found,) = await records_of(told, f"{told.prefix}replay.s1")
        assert (stopped["state"], stopped["records"]) == ("Stopped", len(found))
        assert len(found) > shown
        assert not any(b"ReplayCompleted" in one.value for one in found)
        shown = len(found)
    done = (await whopays(*start, "--rate=100000")).expect(0).document
    (found,) = await records_of(told, f"{told.prefix}replay.s1")
    assert (done["state"], done["records"] + 1) == ("Done", len(found))


async def test_an_end_that_is_ahead_is_waited_for(told: Installation) -> None:
    whopays = whopays_of(told)
    ahead = format_instant(parse_instant(await now(told)) + timedelta(seconds=3))
    words = ("replay", "start", "w1", f"--until={ahead}", "--partitions=1", "--json")
    starting = asyncio.ensure_future(whopays(*words))
    await send(told, [project("late", "web")])
    await exactly_published(told)
    while not starting.done():
        await close(told)
        await asyncio.sleep(0.2)
    assert "Waiting until everything before" in (await starting).err
    manifest = (await starting).expect(0).document
    assert manifest["until"] == ahead
    wanted = [row for row in await log_of(told) if row.event["time"] < ahead and row.type != "DeadLetter"]
    assert manifest["records"] == len(wanted)


async def test_positions_behind_what_the_target_shows(told: Installation) -> None:
    whopays = whopays_of(told)
    (await whopays("replay", "start", "b1", "--partitions=1", "--rate=20", "--detach")).expect(0)
    topic = f"{told.prefix}replay.b1"

    async def has_some() -> bool:
        return await _has_topic(told, topic) and bool((await records_of(told, topic))[0])

    await until(has_some, "the first records")
    assert (await whopays("replay", "stop", "b1")).expect(0).out.splitlines()[0].split()[-2:] == ["b1", "stopped"]
    before = await records_of(told, topic)
    async with AIOKafkaProducer(bootstrap_servers=told.kafka_bootstrap_servers) as producer:
        positions = f"{told.prefix}replay-positions"
        await producer.send_and_wait(positions, key=b"b1", value=_earlier(), partition=0)
    ran = (await whopays("replay", "start", "b1", "--partitions=1")).expect(1)
    assert "as the last record of partition 0, but" in ran.err
    assert (await whopays("replay", "show", "b1", "--json")).expect(0).document["state"] == "Failed"
    assert await records_of(told, topic) == before


def _earlier() -> bytes:
    return orjson.dumps(
        {"replay": "b1", "positions": {}, "types": {}, "partitions": [[0, "00" * 32, None, None]], "finishedAt": None}
    )


def test_the_role_is_one_of_all() -> None:
    assert Role.REPLAYS in Role
