"""Several workers on one consumer group, coming and going while records flow."""

import asyncio

from schemas.topics import Topic
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, exactly_published, results, send
from tests.support.messages import account, bind, profile, project
from workers.runtime.roles import Role

_ORGANIZATIONS = [f"org-{number}" for number in range(6)]
_TURNS = 12
_SMALL = {"WHOPAYS_BATCH_MAX_RECORDS": "10"}


async def test_rebalances_while_records_flow(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await installation.start(Role.RELAY)
    first = await installation.start(Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS, **_SMALL)
    for organization in _ORGANIZATIONS:
        await send(installation, [profile(organization), project(organization, "web"), project(organization, "api")])
    await all_consumed(installation)
    await send(installation, [account(org, name) for org in _ORGANIZATIONS for name in ("a", "b")])

    async def load() -> None:
        for turn in range(_TURNS):
            await send(
                installation,
                [
                    bind(organization, name, "ab"[turn % 2], f"{name}-{turn}-{number}", dryRun=number > 0)
                    for organization in _ORGANIZATIONS
                    for name in ("web", "api")
                    for number in range(3)
                ],
            )

    loading = asyncio.create_task(load())
    second = await installation.start(Role.ADMIN_COMMANDS, **_SMALL)
    third = await installation.start(Role.ADMIN_COMMANDS, **_SMALL)
    assert await first.stop() == 0
    await installation.start(Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS, **_SMALL)
    assert await second.stop() == 0
    await loading
    found = await exactly_published(installation)
    assert third.process.returncode is None
    outcomes = [result["outcome"] for name, result in results(found).items() if name.startswith(("web", "api"))]
    assert set(outcomes) == {"Applied", "Unchanged"}
    bindings = [one for one in found if one.topic == Topic.BINDINGS]
    assert len(bindings) == len(_ORGANIZATIONS) * 2 * _TURNS
