"""`whopays topics acls --apply`, killed: what was given stays, nobody has more than is their part, again is enough."""

import os
from collections.abc import Mapping
from signal import SIGKILL

import pytest

from embedded.kafka_security import ADMIN
from tests.faults import failpoints
from tests.faults.failpoints import KILL, Plan
from tests.services.kafka_security.conftest import Secured
from tests.services.kafka_security.given import entries_of, given
from tests.support.warm import start_warm
from workers.runtime.settings import Settings
from workers.topics.acls import Party

_POINT = "acls.apply: client._send_request after"
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
    wanted = [(party, entry) for party in Party for entry in entries_of(party, settings)]
    done = max(1, int(len(wanted) * share))
    assert await _apply(broker, settings, principals, _at(done)) == -SIGKILL
    assert await given(settings, principals) == set(wanted[:done])
    assert await _apply(broker, settings, principals, _at(1)) == -SIGKILL
    assert await given(settings, principals) == set(wanted[:done]), "nothing is taken away to be given again"
    assert await _apply(broker, settings, principals, {}) == 0
    assert await given(settings, principals) == set(wanted)


def _at(time: int) -> Plan:
    """Return the plan of a process that is killed when it comes to the place for this time."""
    plan: Plan = {_POINT: KILL}
    for _ in range(time - 1):
        plan = {_POINT: plan}
    return plan


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
