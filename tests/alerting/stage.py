"""An installation each part of which is a process of its own, on servers that may be broken, seen by a Prometheus."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg
import httpx
import yaml
from sqlalchemy import make_url

from schemas.topics import Topic
from tests.alerting.scaling import scaled
from tests.faults.own_servers import OwnServers
from tests.support.installations import Installation, Worker, free_port
from tests.support.kafka import send
from tests.support.messages import Said
from tests.support.packages import ROOT
from tests.support.prometheus import Prometheus, prometheus
from tests.support.serving import Server, serving
from tests.support.tokens import bearing
from tests.support.waiting import until
from tests.support.warm import start_warm
from workers.runtime.roles import CONSUMERS, Role

RULES = ROOT / "deploy" / "prometheus" / "whopays.rules.yaml"
PARTS: Mapping[str, Sequence[Role]] = {
    "consumers": CONSUMERS,
    "timers": (Role.TIMERS,),
    "relay": (Role.RELAY,),
    "replays": (Role.REPLAYS,),
    "maintenance": (Role.MAINTENANCE,),
}
FIRES_SECONDS, RESTS_SECONDS = 180, 180
_SCRAPE = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
_FEW_CONNECTIONS = {"WHOPAYS_DATABASE_POOL_SIZE": "2"}
"""Of consumers: fewer than there are roles, so that all connections can be made to wait at once."""


@dataclass
class Stage:
    """The installation, its processes by the names of parts, and the Prometheus that watches them."""

    installation: Installation
    servers: OwnServers
    watcher: Prometheus
    server: Server
    targets: Path
    running: dict[str, Worker] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    async def start(self, part: str, module: str = "cli", **environment: str) -> Worker:
        """Start a part, perhaps with failpoints, and have it scraped."""
        port = self.ports.setdefault(part, free_port())
        few = _FEW_CONNECTIONS if part == "consumers" else {}
        variables = {"WHOPAYS_METRICS_PORT": str(port), **few, **environment}
        self.running[part] = await self.installation.launch(*PARTS[part], module=module, **variables)
        self.scrape(f"127.0.0.1:{port}")
        return self.running[part]

    async def audit(self) -> None:
        """Have the promises checked again and again from now on."""
        port = self.ports.setdefault("auditor", free_port())
        words, variables = ["verify", "--watch", "--every", "1"], {"WHOPAYS_METRICS_PORT": str(port)}
        worker = Worker(await start_warm("cli", words, self.installation.environment(**variables)))
        self.installation.workers.append(worker)
        self.installation.readers.append(asyncio.create_task(worker.read()))
        self.scrape(f"127.0.0.1:{port}")

    async def stop(self, part: str) -> None:
        """Kill a part; it is still asked for its metrics, as in an installation that misses it."""
        await self.running.pop(part).kill()

    def scrape(self, address: str) -> None:
        """Have a process scraped from now on."""
        known = set(json.loads(self.targets.read_text())[0]["targets"]) if self.targets.exists() else set()
        new = self.targets.with_suffix(".new")
        new.write_text(json.dumps([{"targets": sorted({*known, address})}]), encoding="utf-8")
        new.replace(self.targets)

    async def say(self, *said: Said, **options: object) -> None:
        """Send records, the commands with a token that allows everything."""
        issuer = self.installation.issuer
        assert issuer is not None
        token = bearing(issuer.token())
        signed = [
            replace(one, headers=(*one.headers, *token)) if one.topic is Topic.ADMIN_COMMANDS else one for one in said
        ]
        await send(self.installation, signed, **options)

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Return a session of the test's own in the installation's database."""
        url = make_url(self.installation.settings.database_url).set(drivername="postgresql")
        return await asyncpg.connect(url.render_as_string(hide_password=False))

    async def ask(self, path: str) -> None:
        """Ask the server of questions, whatever it answers."""
        issuer = self.installation.issuer
        assert issuer is not None
        headers = {"Authorization": f"Bearer {issuer.token().decode()}"}
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(base_url=self.server.url, timeout=15, trust_env=False) as client:
                await client.get(path, headers=headers)

    async def fires(self, alert: str) -> None:
        """Wait until an alert fires."""

        async def look() -> bool:
            return (alert, "firing") in await self.watcher.alerts()

        await until(look, f"{alert} that fires", FIRES_SECONDS)

    async def rests(self, alert: str) -> None:
        """Wait until an alert is neither firing nor about to."""

        async def look() -> bool:
            return alert not in {name for name, _ in await self.watcher.alerts()}

        await until(look, f"{alert} at rest again", RESTS_SECONDS)


@asynccontextmanager
async def stage(installation: Installation, servers: OwnServers, folder: Path) -> AsyncIterator[Stage]:
    """Yield a stage on which every part is at work, but for the auditor."""
    rules, targets = folder / "rules.yaml", folder / "targets.json"
    rules.write_text(yaml.safe_dump(scaled(yaml.safe_load(RULES.read_text(encoding="utf-8")))), encoding="utf-8")
    configuration = {
        "global": _SCRAPE,
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": "whopays", "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}]}
        ],
    }
    async with serving(installation) as server, prometheus(folder, configuration) as watcher:
        made = Stage(installation, servers, watcher, server, targets)
        made.scrape(":".join(map(str, server.address)))
        for part in PARTS:
            await made.start(part)
        yield made
