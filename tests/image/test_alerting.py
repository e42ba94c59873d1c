"""A real Prometheus watches the installation: rules and panels can be evaluated, and what happens alerts."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from schemas.topics import Topic
from tests.image.conftest import PARTS, Running
from tests.image.watching import watching
from tests.support.prometheus import Prometheus
from tests.support.waiting import until
from tests.unit.deploy.test_alerts import ALERTS
from tests.unit.deploy.test_dashboard import PANELS, expression
from workers.runtime.roles import ALL_ROLES, AUDIT

pytestmark = [pytest.mark.image, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def prometheus(running: Running, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    """A Prometheus that has seen all parts alive."""
    addresses = {part: f"127.0.0.1:{running.ports[part]}" for part in PARTS}
    async with watching(tmp_path_factory.mktemp("prometheus"), addresses) as watcher:

        async def sees_all() -> bool:
            found = await watcher.ask("query", query="whopays_role_heartbeat_timestamp_seconds > 0")
            return {one["metric"]["role"] for one in found["result"]} == {*ALL_ROLES, AUDIT}

        await until(sees_all, "a heartbeat of every role", 120)
        yield watcher


async def test_every_part_is_scraped(running: Running, prometheus: Prometheus) -> None:
    assert await prometheus.targets() == {f"127.0.0.1:{running.ports[part]}": "up" for part in PARTS}


async def test_every_alert_can_be_evaluated(prometheus: Prometheus) -> None:
    async def evaluated() -> list[tuple[str, str]] | None:
        rules = [rule for group in (await prometheus.ask("rules"))["groups"] for rule in group["rules"]]
        return None if any(rule["health"] == "unknown" for rule in rules) else [
            (rule["name"], rule.get("lastError", "")) for rule in rules
        ]  # fmt: skip

    found = await until(evaluated, "an evaluation of every rule")
    assert sorted(found) == sorted((name, "") for name in ALERTS)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
async def test_every_panel_can_be_evaluated(prometheus: Prometheus, panel: dict[str, list[dict[str, str]]]) -> None:
    for target in panel["targets"]:
        await prometheus.ask("query", query=expression(target["expr"]))


async def test_nothing_alerts_while_all_is_well(prometheus: Prometheus) -> None:
    async def is_calm() -> bool:
        return await prometheus.alerts() == []

    await until(is_calm, "no alert")


async def test_a_record_that_cannot_be_read_alerts(running: Running, prometheus: Prometheus) -> None:
    settings = running.installation.settings
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(settings.topic(Topic.ADMIN_COMMANDS), b"no command", key=b"acme")

    async def fires() -> bool:
        return ("WhopaysDeadLetters", "firing") in await prometheus.alerts()

    await until(fires, "the alert of dead letters")
