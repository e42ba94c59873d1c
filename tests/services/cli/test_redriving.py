"""`whopays dead-letters redrive` and `discard`: in order, once, and known by who did it."""

import asyncio
import os
import signal
import sys
from typing import Any

import pytest
import pytest_asyncio
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from sqlalchemy import text

from schemas.records import REDRIVE_HEADER
from schemas.topics import Topic
from tests.faults import failpoints
from tests.faults.matrix import FAILING_WORKER, give_up_for_dead
from tests.faults.points import CONSUMERS
from tests.services.cli.interrupted_redrive import BEFORE_CONFIRMING, BEFORE_SENDING, WHERE
from tests.services.cli.redrives import of_redrives, on_topic
from tests.support.command_line import Whopays, whopays_of
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, dead_letters, exactly_published, send
from tests.support.messages import Said, command, project
from tests.support.processes import DIE_WITH_PARENT, in_foreground
from tests.support.waiting import patience, until
from workers.runtime.roles import Role
from workers.topics.cluster import administration

_LETTERS = 12
_BEFORE_ITS_COMMIT = "transaction.Batches._transaction: store after"


def broken(organization: str, number: int) -> Said:
    """A fact that no version of whopays accepts."""
    return project(organization, f"p{number}", state="Broken")


@pytest_asyncio.fixture
async def waiting(quiet_installation: Installation) -> Installation:
    """An installation with twelve dead letters of two organizations in turn, in a partition that its producer chose."""
    said = [broken(("acme", "globex")[n % 2], n) for n in range(_LETTERS)]
    await send(quiet_installation, said, partitioner=lambda _key, every, _available: every[-1])
    await quiet_installation.start()
    await all_consumed(quiet_installation, Role.PROJECTS)
    return quiet_installation


async def listed(whopays: Whopays, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await whopays("dead-letters", "list", "--json", *options)).expect(0).document
    return found


async def interrupted(installation: Installation, where: str, *words: str) -> None:
    """Run a command line that kills itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.services.cli.interrupted_redrive", *words,
        env=installation.environment(**{WHERE: where}),
        preexec_fn=DIE_WITH_PARENT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == -9, said.decode()


async def test_each_organization_keeps_its_order_and_who_did_it_is_kept(waiting: Installation) -> None:
    whopays = whopays_of(waiting)
    before = await listed(whopays)
    assert {one["organization"] for one in before} == {"acme", "globex"}
    names = ("dead-letters", "redrive", "--all", "--by", "ada", "--rate", "500")
    assert f"{_LETTERS} records were put" in (await whopays(*names)).expect(0).out

    again = of_redrives(await on_topic(waiting))
    for organization in (b"acme", b"globex"):
        said = [record.value for record in again if record.key == organization]
        first = [record.value for record in await on_topic(waiting) if record.key == organization]
        assert said == first[: _LETTERS // 2] == first[_LETTERS // 2 :]
    assert {record.partition for record in again} == {one["partition"] for one in before} == {2}

    await all_consumed(waiting, Role.PROJECTS)
    after = await listed(whopays)
    assert len(after) == 2 * _LETTERS, "the cause was not fixed"
    assert sorted(one["redrivenFrom"] for one in after[:_LETTERS]) == sorted(one["number"] for one in before)
    assert [one["state"] for one in after] == ["waiting"] * _LETTERS + ["redriven"] * _LETTERS
    shown = await whopays("dead-letters", "show", str(before[0]["number"]), "--json")
    (action,) = shown.expect(0).document["actions"]
    assert (action["action"], action["by"], action["read"]) == ("Redriven", "ada", True)
    (died,) = [one for one in after if f"{one['topic']}/{one['partition']}/{one['offset']}" == action["place"]]
    assert action["deadLetter"] == died["number"]

    second = (await whopays("dead-letters", "redrive", f"{before[-1]['number']}-{before[-2]['number']}")).expect(0).out
    assert second.count("was redriven already") == 2
    nothing = await whopays("dead-letters", "redrive", "--topic", "payment-profiles")
    assert "nothing to redrive" in nothing.expect(0).out
    assert len(of_redrives(await on_topic(waiting))) == _LETTERS
    record = "{topic}/{partition}/{offset}".format(**before[0])
    assert [one["number"] for one in await listed(whopays, "--record", record)] == [before[0]["number"]]
    once_more = await whopays("dead-letters", "redrive", "--record", record, "--again", "--json")
    assert [one["number"] for one in once_more.expect(0).document["redriven"]] == [before[0]["number"]]


async def test_nothing_overtakes_what_the_broker_refuses(quiet_installation: Installation) -> None:
    """Whatever its size: the others of its organization are held back, and those of others go on."""
    installation = quiet_installation
    whopays = whopays_of(installation)
    said = [broken(("acme", "globex")[n % 2], n) for n in range(8)]
    # Larger than the topic takes later, however it is compressed.
    said[4] = project("acme", "p4", state=os.urandom(4_000).hex())
    await send(installation, said)
    worker = await installation.start()
    await all_consumed(installation, Role.PROJECTS)
    await worker.stop()
    mine = [one["number"] for one in reversed(await listed(whopays, "--organization", "acme"))]
    others = [one["number"] for one in reversed(await listed(whopays, "--organization", "globex"))]

    await _limit(installation, 2_000)
    done = (await whopays("dead-letters", "redrive", "--all", "--json")).expect(1)
    assert sorted(one["number"] for one in done.document["redriven"]) == sorted([*mine[:2], *others])
    assert [one["number"] for one in done.document["refused"]] == [mine[2]]
    assert done.document["heldBack"] == mine[3:]
    assert "larger than the broker accepts" in done.err
    assert "1 dead letter was held back" in done.err
    await _limit(installation, 1_000_000)
    again = (await whopays("dead-letters", "redrive", "--all", "--json")).expect(0).document
    assert [(one["number"], one["resumed"]) for one in again["redriven"]] == [(one, False) for one in mine[2:]]
    values = [record.value for record in of_redrives(await on_topic(installation)) if record.key == b"acme"]
    assert values == [one.value for one in said[::2]]


async def _limit(installation: Installation, most_bytes: int) -> None:
    """Have the topic of projects take records of at most so many bytes."""
    name = installation.settings.topic(Topic.PROJECTS)
    async with administration(installation.settings) as client:
        resource = ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": str(most_bytes)})
        await client.alter_configs([resource])

        async def is_set() -> bool:
            found = (await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)]))[0].to_object()
            told = {one["config_names"]: one["config_value"] for one in found["resources"][0]["config_entries"]}
            return bool(told["max.message.bytes"] == str(most_bytes))

        await until(is_set, "the limit")


@pytest.mark.parametrize("words", ((), ("--again",)))
async def test_one_that_is_interrupted_says_where_to_go_on(waiting: Installation, words: tuple[str, ...]) -> None:
    whopays = whopays_of(waiting)
    (worker,) = waiting.workers
    await worker.stop()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "dead-letters", "redrive", "--all", "--rate", "1", *words,
        env=waiting.environment(),
        preexec_fn=in_foreground,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:

        async def has_begun() -> bool:
            async with waiting.engine.connect() as connection:
                begun = text("SELECT count(*) FROM dead_letter_actions")
                return int((await connection.execute(begun)).scalar_one()) > 1

        await until(has_begun, "the second record")
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), patience(60))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 3, err.decode()
    put = len(of_redrives(await on_topic(waiting)))
    last = err.decode().strip().splitlines()[-1]
    assert f"Stopped after {put} of {_LETTERS}." in last
    assert 0 < put < _LETTERS
    assert f"{put} record" in out.decode()
    if words:
        rest = last.partition("whopays dead-letters redrive --again ")[2].split()
        (await whopays("dead-letters", "redrive", "--again", *rest)).expect(0)
    else:
        (await whopays("dead-letters", "redrive", "--all")).expect(0)
    records = await on_topic(waiting)
    for organization in (b"acme", b"globex"):
        said = [record.value for record in records if record.key == organization]
        assert said[_LETTERS // 2 :] == said[: _LETTERS // 2]


@pytest.mark.parametrize("where", (BEFORE_SENDING, BEFORE_CONFIRMING))
async def test_a_killed_redrive_goes_on_and_nothing_is_taken_twice(waiting: Installation, where: str) -> None:
    whopays = whopays_of(waiting)
    (worker,) = waiting.workers
    await worker.stop()
    await interrupted(waiting, where, "dead-letters", "redrive", "--organization", "acme")
    mine = await listed(whopays, "--organization", "acme")
    assert {one["state"] for one in mine} == {"waiting"}
    assert "unconfirmed" in (await whopays("dead-letters", "list", "--organization", "acme")).expect(0).out
    sent = len(of_redrives(await on_topic(waiting)))
    assert sent == (0 if where == BEFORE_SENDING else _LETTERS // 2)

    said = (await whopays("dead-letters", "redrive", "--organization", "acme")).expect(0).out
    assert "6 records were put" in said
    assert "6 records of these may be there twice" in said
    again = of_redrives(await on_topic(waiting))
    assert len(again) == sent + _LETTERS // 2
    ids = {value for record in again for name, value in record.headers if name == REDRIVE_HEADER}
    assert len(ids) == _LETTERS // 2

    await waiting.start()
    letters = dead_letters(await exactly_published(waiting))
    assert len(letters) == _LETTERS + _LETTERS // 2, "each redriven record has died once more, and only once"
    after = await listed(whopays, "--organization", "acme")
    assert [one["state"] for one in after] == ["waiting"] * 6 + ["redriven"] * 6


async def test_what_a_worker_has_read_is_not_sent_again(waiting: Installation) -> None:
    whopays = whopays_of(waiting)
    await interrupted(waiting, BEFORE_CONFIRMING, "dead-letters", "redrive", "--organization", "globex")
    await all_consumed(waiting, Role.PROJECTS)
    before = len(await on_topic(waiting))
    numbers = [one["number"] for one in await listed(whopays, "--organization", "globex") if one["state"] == "redriven"]
    assert len(numbers) == _LETTERS // 2
    said = (await whopays("dead-letters", "redrive", *map(str, numbers))).expect(0).out
    assert said.count("was redriven already") == _LETTERS // 2
    assert len(await on_topic(waiting)) == before


@pytest.mark.parametrize("is_killed", (False, True))
async def test_a_dry_run_that_is_redriven_twice_is_answered_once(waiting: Installation, is_killed: bool) -> None:
    """It claims no id: only the redrive tells its records apart from two dry runs. A worker may die in between."""
    whopays = whopays_of(waiting)
    rehearsal = command(
        "CreateAccount", "rehearsal", "acme", account="main", dryRun=True, ce_specversion="0.3", binary=True
    )
    await send(waiting, [rehearsal])
    await all_consumed(waiting)
    (letter,) = await listed(whopays, "--topic", "admin-commands")
    assert (letter["encrypted"], letter["organization"]) == (True, "acme")
    async with waiting.engine.begin() as connection:
        # What was not understood is, now.
        await connection.execute(
            text(
                "UPDATE dead_letters SET header_values = array_replace(header_values, '0.3'::bytea, '1.0'::bytea) "
                "WHERE number = :number"
            ),
            {"number": letter["number"]},
        )
    (worker,) = waiting.workers
    await worker.stop()
    words = ("dead-letters", "redrive", "--topic", waiting.settings.topic(Topic.ADMIN_COMMANDS))
    await interrupted(waiting, BEFORE_CONFIRMING, *words)
    (await whopays(*words)).expect(0)
    assert len(of_redrives(await on_topic(waiting, Topic.ADMIN_COMMANDS))) == 2
    if is_killed:
        # All is written, and nothing committed: neither the answer nor where the record was read.
        plan = failpoints.environment({_BEFORE_ITS_COMMIT: failpoints.KILL})
        killed = await waiting.launch(*CONSUMERS, module=FAILING_WORKER, **plan)
        assert await killed.ended() == -signal.SIGKILL
        await give_up_for_dead(waiting, CONSUMERS)
    await waiting.start()
    found = [one.data for one in await exactly_published(waiting) if one.topic == Topic.COMMAND_RESULTS]
    assert [one["outcome"] for one in found if one["commandId"] == "rehearsal"] == ["Applied"]


async def test_discarding(waiting: Installation) -> None:
    whopays = whopays_of(waiting)
    numbers = [str(one["number"]) for one in await listed(whopays)]
    foreign = (await whopays("dead-letters", "redrive", "--all", WHOPAYS_TOPIC_PREFIX="other.")).expect(1)
    assert "The same holds for 1 other dead letter.\n10 dead letters were held back, to keep the order" in foreign.err
    done = await whopays("dead-letters", "discard", numbers[0], numbers[1], "--reason", "sent by hand", "--by", "bob")
    assert "2 dead letters are discarded." in done.expect(0).out
    assert len(await listed(whopays, "--waiting")) == _LETTERS - 2
    shown = (await whopays("dead-letters", "show", numbers[0])).expect(0).out
    assert "by bob: sent by hand" in shown
    again = (await whopays("dead-letters", "discard", numbers[0], "--reason", "again")).expect(0).out
    assert "was discarded already" in again
    left = (await whopays("dead-letters", "redrive", numbers[0])).expect(0).out
    assert "was discarded already" in left
    rest = await whopays("dead-letters", "discard", "--all", "--erase", "--yes", "--reason", "personal", "--json")
    assert len(rest.expect(0).document["discarded"]) == _LETTERS, "what was discarded before is erased, too"
    assert "was erased" in (await whopays("dead-letters", "redrive", numbers[5], "--again")).expect(1).err
    assert "erased" in (await whopays("dead-letters", "show", numbers[5])).expect(0).out
    assert await listed(whopays, "--waiting") == []


@pytest.mark.parametrize("number", ("0", "999", "9223372036854775808", "9" * 39))
async def test_numbers_that_no_dead_letter_has(whopays: Whopays, number: str) -> None:
    for words in (("show", number), ("redrive", number), ("discard", number, "--reason", "old")):
        assert f"no dead letter {number}" in (await whopays("dead-letters", *words)).expect(1).err
    (await whopays("dead-letters", "list", "--before", number, "--numbers", f"{number}-")).expect(0)
