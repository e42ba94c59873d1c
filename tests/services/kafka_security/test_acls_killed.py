"""`whopays topics acls --apply`, killed: what was given stays, nobody has more than is their part, again is enough."""

import os
from collections.abc import Mapping
from signal import SIGKILL
from typing import Any

import pytest
from aiokafka.protocol.admin import DescribeAclsRequest

from embedded.kafka_security import ADMIN
from tests.faults import failpoints
from tests.faults.failpoints import KILL, Plan
from tests.services.kafka_security.conftest import Secured
from tests.support.warm import start_warm
from workers.runtime.settings import Settings
from workers.topics.acls import Party, allowed
from workers.topics.cluster import administration

Entry = tuple[int, str, int, int]
"""What a principal may do: the kind of a resource, its name, whether that is a prefix, and the operation."""

_POINT = "acls.apply: client._send_request after"
_ANY, _ALLOW = 1, 3
_INSTALLATION = "killed"


@pytest.mark.parametrize("share", (0.5, *(pytest.param(one, marks=pytest.mark.chaos) for one in (0.0, 1.0))))
async def test_killed_and_done_again(broker: Secured, share: float) -> None:
    """After the first right, half of them, and the last; then after the first once more."""
    settings = Settings(
        kafka_bootstrap_servers=broker.kafka.bootstrap_servers,
        installation=_INSTALLATION,
        topic_prefix=f"killed-{share}.",
        **broker.scram(ADMIN),
    )
    principals = {party: f"User:{share}-{party}" for party in Party}
    wanted = [(party, entry) for party in Party for entry in _entries(party, settings)]
    done = max(1, int(len(wanted) * share))
    assert await _apply(broker, settings, principals, _at(done)) == -SIGKILL
    assert await _given(settings, principals) == set(wanted[:done])
    assert await _apply(broker, settings, principals, _at(1)) == -SIGKILL
    assert await _given(settings, principals) == set(wanted[:done]), "nothing is taken away to be given again"
    assert await _apply(broker, settings, principals, {}) == 0
    assert await _given(settings, principals) == set(wanted)


def _at(time: int) -> Plan:
    """Return the plan of a process that is killed when it comes to the place for this time."""
    plan: Plan = {_POINT: KILL}
    for _ in range(time - 1):
        plan = {_POINT: plan}
    return plan


def _entries(party: Party, settings: Settings) -> list[Entry]:
    return [
        (one.resource, one.name, one.pattern, operation)
        for one in allowed(party, settings)
        for operation in one.operations
    ]


async def _apply(broker: Secured, settings: Settings, principals: Mapping[Party, str], plan: Plan) -> int:
    said = {
        "kafka_bootstrap_servers": settings.kafka_bootstrap_servers,
        "installation": settings.installation,
        "topic_prefix": settings.topic_prefix,
        **broker.scram(ADMIN),
    }
    variables = {f"WHOPAYS_{name.upper()}": value for name, value in said.items()}
    words = [word for party, principal in principals.items() for word in ("--principal", f"{party}={principal}")]
    process = await start_warm(
        "tests.faults.failing_worker",
        ["topics", "acls", "--apply", *words],
        {**os.environ, **variables, **failpoints.environment(plan)},
    )
    await process.stderr.read()
    return await process.wait()


async def _given(settings: Settings, principals: Mapping[Party, str]) -> set[tuple[Party, Entry]]:
    """Return what the broker lets each principal do: all of it from everywhere, and nothing is denied."""
    parties = {principal: party for party, principal in principals.items()}
    async with administration(settings) as client:
        asked = DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY)
        answer: dict[str, Any] = (await client._send_request(asked)).to_object()
    found = set()
    for resource in answer["resources"]:
        kind, name, pattern = (resource[one] for one in ("resource_type", "resource_name", "resource_pattern_type"))
        for entry in resource["acls"]:
            if entry["principal"] in parties:
                assert (entry["permission_type"], entry["host"]) == (_ALLOW, "*")
                found.add((parties[entry["principal"]], (kind, name, pattern, entry["operation"])))
    return found
