"""Every part of an installation runs in the image; a command goes through, its event comes out, and health is true."""

import asyncio
import json
import signal

import asyncpg
import httpx
import pytest
from sqlalchemy import make_url

from tests.image.conftest import PARTS, Running
from tests.image.containers import Done
from tests.support.installations import free_port
from tests.support.metrics import told_families
from tests.support.waiting import until
from tests.unit.deploy.expressions import metrics
from tests.unit.deploy.manifests import pods
from tests.unit.deploy.test_alerts import ALERTS
from tests.unit.deploy.test_dashboard import PANELS
from tests.unit.test_packaging import compose
from workers.runtime.declared_metrics import METRICS
from workers.runtime.settings import Settings

pytestmark = [pytest.mark.image, pytest.mark.asyncio(loop_scope="session")]

_TERMS = ("currencyCode=EUR", "paymentTerms.netDays=30", "paymentProfile=card")
_MESSAGES = (
    ("PaymentProfileChanged", "paymentProfile=card", "kind=CreditCard", "state=Valid", "version=1"),
    ("CreateAccount", "account=main", *_TERMS, 'contact={"name": "Ann", "emails": ["ann@acme.example"]}'),
    ("ProjectChanged", "project=web", "state=Active", "version=1"),
    ("BindProject", "project=web", "account=main"),
)
_HANGING_SECONDS = 150


async def _health_is(running: Running, part: str, status: int) -> Done:
    async def look() -> Done | None:
        done = await running.containers.health(WHOPAYS_METRICS_PORT=running.ports[part])
        return done if done.status == status else None

    return await until(look, f"status {status} of the health of {part}", _HANGING_SECONDS)


async def test_it_runs_as_nobody_special_and_can_write_to_tmp_alone(running: Running) -> None:
    script = "id -u; id -g; for one in / /opt/whopays /home /var/lib; do touch $one/x && echo $one; done; touch /tmp/x"
    done = await running.containers.run("sh", "-c", script, entrypoint=False)
    assert (done.status, done.out.split()) == (0, ["10001", "10001"])
    assert done.err.count("Read-only file system") == 4
    capabilities = await running.containers.run("grep", "-h", "^Cap\\|^NoNew", "/proc/self/status", entrypoint=False)
    said = dict(line.split(":\t") for line in capabilities.out.splitlines())
    assert said.pop("NoNewPrivs") == "1"
    assert set(said.values()) == {"0" * 16}


@pytest.mark.parametrize("part", PARTS)
async def test_every_part_becomes_healthy(running: Running, part: str) -> None:
    done = await _health_is(running, part, 0)
    assert "alive" in done.out


async def test_a_command_goes_through_and_its_event_comes_out(running: Running) -> None:
    for message in _MESSAGES:
        done = await running.containers.run("send", *message, "--organization", "acme", "--json")
        assert done.status == 0, done.err
    told = await running.containers.run("tail", "--from-beginning", "--topic", "bindings", "--max", "1", "--json")
    event = json.loads(told.out)
    assert '"web"' in told.out, event
    assert '"main"' in told.out, event
    who = await running.containers.run("who", "acme", "web", "--json")
    assert json.loads(who.out)["account"] == "main"


async def test_questions_are_answered(running: Running) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def is_ready() -> bool:
            try:
                return (await client.get(running.url("serve", "/readyz"))).status_code == 200
            except httpx.TransportError:
                return False

        await until(is_ready, "a server that is ready")
        answer = await client.get(running.url("serve", "/v1/organizations/acme/projects/web/payer"))
    assert (answer.status_code, answer.json()["payer"]["account"]) == (200, "main")


async def test_serve_is_healthy_as_compose_asks_it(running: Running) -> None:
    kind, *words = compose()["services"]["serve"]["healthcheck"]["test"]
    assert kind == "CMD"
    port = str(Settings.model_fields["serve_port"].default)
    assert any(port in word for word in words)
    asked = [word.replace(port, running.ports["serve"]) for word in words]
    assert (await running.containers.run(*asked, entrypoint=False)).status == 0
    elsewhere = [word.replace(port, str(free_port())) for word in words]
    assert (await running.containers.run(*elsewhere, entrypoint=False)).status != 0


async def test_every_probe_of_kubernetes_is_answered(running: Running) -> None:
    probes = [
        (one.component, container[name]["httpGet"]["path"])
        for one in pods()
        for container in one.containers
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
        if "httpGet" in container.get(name, {})
    ]
    assert {part for part, _ in probes} == set(running.ports)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for part, path in probes:

            async def is_well(url: str = running.url(part, path)) -> bool:
                return (await client.get(url)).status_code == 200

            await until(is_well, f"{path} of {part}")


async def test_what_alerts_and_the_dashboard_name_is_told(running: Running) -> None:
    named = set().union(*(metrics(alert["expr"]) for alert in ALERTS.values()))
    named |= set().union(*(metrics(target["expr"]) for panel in PANELS for target in panel["targets"]))
    assert len(named) > 30
    async with httpx.AsyncClient(trust_env=False) as client:
        pages = [(await client.get(running.url(part, "/metrics"))).text for part in running.ports]
    told = set().union(*(told_families(page) for page in pages))
    # Without tokens nothing is told of them.
    assert sorted(name for name in named - told if not METRICS[name].needs_tokens) == []


async def test_the_auditor_finds_nothing_wrong(running: Running) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def audits() -> float:
            text = (await client.get(running.url("auditor", "/metrics"))).text
            return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("whopays_audits_total"))

        before = await audits()

        async def is_audited() -> bool:
            return await audits() > before + 1

        await until(is_audited, "a whole audit")
        text = (await client.get(running.url("auditor", "/metrics"))).text
    found = [line for line in text.splitlines() if line.startswith("whopays_broken_promises{")]
    assert found
    assert all(line.endswith(" 0.0") for line in found), found


async def test_health_fails_while_a_role_hangs(running: Running) -> None:
    url = make_url(running.installation.settings.database_url).set(drivername="postgresql")
    other = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        async with other.transaction():
            # Whatever a relay does begins with the shards; the process itself goes on answering.
            await other.execute("LOCK TABLE shards IN ACCESS EXCLUSIVE MODE")
            done = await _health_is(running, "relay", 1)
        assert "No sign of life from relay" in done.err
        assert "relay: silent" in done.out
    finally:
        await other.close()
    await _health_is(running, "relay", 0)


async def test_health_fails_while_a_process_does_not_answer(running: Running) -> None:
    timers = running.workers["timers"].process
    timers.send_signal(signal.SIGSTOP)
    try:
        done = await running.containers.health(WHOPAYS_METRICS_PORT=running.ports["timers"])
    finally:
        timers.send_signal(signal.SIGCONT)
    assert done.status == 1
    assert "No whopays process answers" in done.err
    await _health_is(running, "timers", 0)


async def test_every_part_ends_cleanly_when_it_is_told_to(running: Running) -> None:
    assert running.containers.image.config["StopSignal"] == "SIGTERM"
    ended = await asyncio.gather(*(worker.stop() for worker in running.workers.values()))
    assert dict(zip(running.workers, ended, strict=True)) == dict.fromkeys(running.workers, 0)
    done = await running.containers.health(WHOPAYS_METRICS_PORT=running.ports["relay"])
    assert done.status == 1
