"""`whopays reconcile`: lost and moved clusters, more partitions; each step can be repeated."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka.admin import NewPartitions

from schemas.topics import INPUT_TOPICS, TOPIC_PLANS, Topic
from tests.faults.moving import recreate
from tests.faults.own_servers import OwnServers, own_servers
from tests.services.audit.auditing import findings_of
from tests.support.command_line import whopays_of
from tests.support.going_back import put_back
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, delete_topic, exactly_published, published, results, send
from tests.support.messages import account, bind, profile, project
from tests.support.mirroring import mirror
from workers.reconciling import Action, next_steps, take
from workers.topics.cluster import administration
from workers.topics.plan import create_topics


async def _works(installation: Installation, name: str) -> None:
    """Have a worker decide and publish some commands, make sure that nothing is wrong, and stop it."""
    worker = await installation.start()
    await send(installation, [profile("acme"), account("acme", name), project("acme", name)])
    await all_consumed(installation)
    await send(installation, [bind("acme", name, name, f"bind-{name}", waitSeconds=60)])
    found = await exactly_published(installation)
    assert results(found)[f"bind-{name}"]["outcome"] == "Applied"
    assert await findings_of(installation) == []
    assert await worker.stop() == 0


async def _applied(installation: Installation, *more: str) -> list[str]:
    """Return the steps that were done; asked again, nothing is left."""
    done = (await whopays_of(installation)("reconcile", "--apply", "--json", *more)).expect(0).document
    assert done["toDo"] == []
    again = (await whopays_of(installation)("reconcile", "--apply", *more)).expect(0)
    assert again.out == "The database and the topics agree. whopays verify compares every event.\n"
    return [step["action"] for step in done["done"]]


async def test_a_cluster_that_is_lost(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await _works(installation, "before")
    before = await published(installation)
    agrees = (await whopays_of(installation)("reconcile")).expect(0)
    assert "agree" in agrees.out
    for plan in TOPIC_PLANS:
        await delete_topic(installation, plan.topic)
    planned = (await whopays_of(installation)("reconcile")).expect(1)
    assert "whopays topics create" in planned.out
    assert "whopays reconcile --apply" in planned.out
    # Whoever takes it up again after a step that was not finished, or was, finds what is left.
    taken = []
    while steps := await next_steps(installation.engine, installation.settings):
        assert await next_steps(installation.engine, installation.settings) == steps
        for _ in range(2):
            await take(installation.engine, installation.settings, steps[0])
        taken.append(steps[0].action)
    assert taken == [Action.CREATE, Action.ADOPT, Action.PUBLISH_AGAIN]
    assert await _applied(installation) == []
    await _works(installation, "after")
    found = {one.value for one in await published(installation)}
    assert {one.value for one in before} <= found, "the same events, with the same ids"


async def test_an_output_topic_that_is_lost_is_for_somebody_to_decide(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await _works(installation, "before")
    await recreate(installation, Topic.BINDINGS)
    whopays = whopays_of(installation)
    left = (await whopays("reconcile", "--apply", "--json")).expect(1).document
    assert [step["action"] for step in left["done"]] == ["AdoptTopics"]
    assert [step["action"] for step in left["toDo"]] == ["Decide"]
    assert (await whopays("reconcile", "--apply", "--json")).expect(1).document == left | {"done": []}
    assert await _applied(installation, "--go-on") == []


async def test_a_database_that_went_back_is_for_somebody_to_decide(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await _works(installation, "before")
    await put_back(installation.engine)
    whopays = whopays_of(installation)
    left = (await whopays("reconcile", "--apply", "--json")).expect(1).document
    assert left["done"] == []
    (step,) = left["toDo"]
    assert step["action"] == "Decide"
    assert "1 of its logs end before what is published, and the topics have 3 events" in step["why"]
    assert (await whopays("reconcile", "--apply", "--json", "--go-on")).expect(1).document == left


async def test_positions_that_are_lost_and_a_topic_that_was_cut_off(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await _works(installation, "before")
    await recreate(installation, Topic.RELAY_POSITIONS, Topic.ADMIN_COMMANDS)
    assert await _applied(installation) == ["AdoptTopics", "RestorePositions"]
    async with installation.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE reading_positions SET next_offset = next_offset + 1000")
    assert await _applied(installation) == ["Reread"] * 2
    await _works(installation, "after")


async def test_more_partitions(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await _works(installation, "before")
    async with administration(installation.settings) as admin:
        await admin.create_partitions({installation.settings.topic(one): NewPartitions(5) for one in INPUT_TOPICS})
    planned = (await whopays_of(installation)("reconcile")).expect(1)
    assert "has 5 partitions, and had 3" in planned.out
    assert await _applied(installation) == ["AdoptTopics"]
    await _works(installation, "after")


async def test_nothing_is_done_beside_a_process(installation: Installation) -> None:
    await send(installation, [profile("acme")])
    await exactly_published(installation)
    async with installation.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE reading_positions SET next_offset = next_offset + 1000")
    refused = (await whopays_of(installation)("reconcile", "--apply")).expect(2)
    assert "stop it, and try again" in refused.err


@pytest_asyncio.fixture
async def elsewhere() -> AsyncIterator[OwnServers]:
    """Another cluster."""
    async with own_servers() as made:
        yield made


@pytest.mark.chaos
async def test_a_cluster_that_is_moved_with_all_that_it_holds(
    quiet_installation: Installation, elsewhere: OwnServers
) -> None:
    installation = quiet_installation
    await _works(installation, "before")
    settings = installation.settings.model_copy(
        update={"kafka_bootstrap_servers": elsewhere.addresses.kafka_bootstrap_servers}
    )
    moved = Installation(settings, installation.engine, None, installation.workers, installation.readers)
    await create_topics(settings)
    await mirror(installation.settings, moved.settings)
    assert await _applied(moved) == ["AdoptTopics"]
    await _works(moved, "after")
    assert len([one for one in await published(moved) if one.data.get("commandId") == "bind-before"]) == 1
