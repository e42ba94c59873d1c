"""Workers and relays, killed or left in doubt at the worst moment: one effect, one result, each event once."""

import signal
from collections.abc import Sequence

from schemas.topics import Topic
from tests.services.process.tampered_worker import AFTER_COMMIT, BEFORE_ACKNOWLEDGEMENT, BEFORE_COMMIT
from tests.support.installations import Installation, Worker
from tests.support.kafka import (
    Published,
    acknowledged_offsets,
    exactly_published,
    published,
    results,
    send,
    told_unpaid,
)
from tests.support.messages import account, bind, profile, project
from workers.runtime.roles import Role

_TAMPERED = "tests.services.process.tampered_worker"
_CONSUMERS = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)
_STORY = (
    account("acme", "main"),
    account("acme", "spare"),
    *(bind("acme", "web", ("main", "spare")[number % 2], f"c{number}") for number in range(40)),
    bind("acme", "nowhere", "main", "refused"),
    bind("acme", "web", "main", "anonymous", ce_authid=None),
    bind("acme", "web", "main", "dry", dryRun=True),
)


def _is_whole(found: Sequence[Published]) -> None:
    assert told_unpaid(found) == {"web"}
    assert results(found).keys() >= {f"c{number}" for number in range(40)} | {"refused", "anonymous", "dry"}


async def _tampered(installation: Installation, point: str, *roles: Role) -> Worker:
    return await installation.start(*roles, module=_TAMPERED, TAMPERED_AT=point, WHOPAYS_RELAY_LEASE_SECONDS="2")


async def _successor(installation: Installation, *roles: Role) -> Worker:
    return await installation.start(*roles, WHOPAYS_RELAY_LEASE_SECONDS="2")


async def test_worker_killed_between_commit_and_acknowledgement(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await send(installation, [profile("acme"), project("acme", "web"), *_STORY])
    for role in _CONSUMERS:
        worker = await _tampered(installation, BEFORE_ACKNOWLEDGEMENT, role)
        await worker.logged("hangs at")
        await worker.kill()
        assert not any(offset > 0 for offset in (await acknowledged_offsets(installation, role)).values())

    await _successor(installation)
    found = await exactly_published(installation)

    _is_whole(found)
    assert sum(one.topic == Topic.COMMAND_RESULTS for one in found) == len(_STORY) + 1
    bindings = [one.event["sequence"] for one in found if one.topic == Topic.BINDINGS]
    assert bindings == [f"{number + 1:020d}" for number in range(len(bindings))]
    assert len(bindings) == 40


async def test_relay_killed_in_the_middle_of_a_transaction(quiet_installation: Installation) -> None:
    installation = quiet_installation
    relay = await _tampered(installation, BEFORE_COMMIT, Role.RELAY)
    await installation.start(*_CONSUMERS)
    await send(installation, [profile("acme"), project("acme", "web"), *_STORY])
    await relay.logged("hangs at")
    await relay.kill()
    assert await published(installation) == []

    await _successor(installation, Role.RELAY)
    _is_whole(await exactly_published(installation))


async def test_relay_that_wakes_after_its_successor_took_over_publishes_nothing(
    quiet_installation: Installation,
) -> None:
    installation = quiet_installation
    await installation.start(*_CONSUMERS)
    sleeper = await installation.start(
        Role.RELAY,
        module=_TAMPERED,
        TAMPERED_AT=BEFORE_COMMIT,
        WHOPAYS_RELAY_LEASE_SECONDS="2",
        WHOPAYS_RELAY_TRANSACTION_SECONDS="39",
    )
    await send(installation, [profile("acme"), project("acme", "web"), *_STORY])
    await sleeper.logged("hangs at")
    await _successor(installation, Role.RELAY)
    await exactly_published(installation)

    sleeper.process.send_signal(signal.SIGUSR1)
    await sleeper.logged("relay_interrupted")
    _is_whole(await exactly_published(installation))


async def test_relay_that_does_not_learn_of_its_commit_reads_how_far_it_came(quiet_installation: Installation) -> None:
    installation = quiet_installation
    relay = await _tampered(installation, AFTER_COMMIT, Role.RELAY)
    await installation.start(*_CONSUMERS)
    await send(installation, [profile("acme"), project("acme", "web"), *_STORY])
    await relay.logged("loses the answer")
    _is_whole(await exactly_published(installation))


async def test_two_relays_at_once(quiet_installation: Installation) -> None:
    installation = quiet_installation
    first = await _successor(installation, Role.RELAY)
    await _successor(installation, Role.RELAY)
    await installation.start(*_CONSUMERS)
    await send(installation, [profile("acme"), project("acme", "web"), *_STORY])
    await exactly_published(installation)
    await first.kill()
    await send(installation, [project("acme", f"later-{number}") for number in range(20)])
    assert told_unpaid(await exactly_published(installation)) == {"web", *(f"later-{number}" for number in range(20))}
