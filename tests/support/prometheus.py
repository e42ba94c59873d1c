"""A real Prometheus, as Debian has it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.debian import program
from tests.support.installations import free_port
from tests.support.processes import DIE_WITH_PARENT
from tests.support.waiting import until


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus, asked by HTTP."""

    client: httpx.AsyncClient

    async def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of its API."""
        answer = await self.client.get(f"/api/v1/{path}", params=parameters)
        document = answer.json()
        assert document["status"] == "success", document
        return document["data"]

    async def targets(self) -> dict[str, str]:
        """Return how each target is, by its address."""
        found = (await self.ask("targets"))["activeTargets"]
        return {target["labels"]["instance"]: target["health"] for target in found}

    async def alerts(self) -> list[tuple[str, str]]:
        """Return the alerts that are not at rest, each with its state."""
        return [(one["labels"]["alertname"], one["state"]) for one in (await self.ask("alerts"))["alerts"]]


@asynccontextmanager
async def prometheus(folder: Path, configuration: Mapping[str, Any]) -> AsyncIterator[Prometheus]:
    """Yield a Prometheus with this configuration, which keeps what it sees in a folder."""
    path = program("prometheus", "prometheus")
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(dict(configuration)), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        path, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}", "--log.level=error",
        preexec_fn=DIE_WITH_PARENT, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=30) as client:

            async def is_ready() -> bool:
                assert process.returncode is None
                try:
                    return (await client.get("/-/ready")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(is_ready, "a Prometheus that is ready")
            yield Prometheus(client)
    finally:
        process.kill()
        await process.wait()
