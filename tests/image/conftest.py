"""The image, and an installation that is run in it alone."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from db.engine import create_engine
from embedded import Addresses
from embedded.java_libraries import cache_directory
from tests.image.building import Image, Storage
from tests.image.containers import SECRETS, Containers
from tests.support.installations import KEYS, Installation, Worker, administer, database_url, drop_database, free_port
from workers.runtime.settings import Settings

PARTS = {
    "workers": ("run", "--only", "projects", "--only", "payment-profiles", "--only", "admin-commands"),
    "timers": ("run", "--only", "timers"),
    "relay": ("run", "--only", "relay"),
    "replays": ("run", "--only", "replays"),
    "maintenance": ("run", "--only", "maintenance"),
    "auditor": ("verify", "--watch", "--every", "1"),
}
"""The long-running containers that the image's own health check is about, and their arguments."""


@dataclass
class Running:
    """An installation each part of which runs in a container of its own."""

    containers: Containers
    installation: Installation
    workers: dict[str, Worker] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)

    def url(self, part: str, path: str) -> str:
        """Return the address of a path that a part answers at."""
        return f"http://127.0.0.1:{self.ports[part]}{path}"


@pytest.fixture(scope="package")
def image() -> Iterator[Image]:
    """The image; the tests are skipped where it cannot be built."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can enter an image without a container engine, on Linux")
    folder = cache_directory() / "tests" / "image"
    folder.mkdir(parents=True, exist_ok=True)
    storage = Storage(folder)
    storage.clean()
    try:
        yield storage.build()
    finally:
        storage.clean()


@pytest.fixture(scope="package")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the keys for personal data, which the image's user can read."""
    folder = tmp_path_factory.mktemp("secrets")
    folder.chmod(0o755)
    (folder / "keys").write_text(KEYS)
    return folder


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running(image: Image, secrets: Path, services: Addresses) -> AsyncIterator[Running]:
    """An installation that the image itself has migrated, and all of whose parts have been started."""
    name = f"t{uuid4().hex[:12]}"
    url = database_url(services, name)
    settings = {
        "WHOPAYS_DATABASE_URL": url,
        "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS": services.kafka_bootstrap_servers,
        "WHOPAYS_INSTALLATION": name,
        "WHOPAYS_TOPIC_PREFIX": f"{name}.",
        "WHOPAYS_TOPIC_PARTITIONS": "3",
        "WHOPAYS_AUTH": "trusted",
        "WHOPAYS_ENCRYPTION_KEYS_FILE": f"{SECRETS}/keys",
    }
    containers = Containers(image, secrets, settings)
    said = Settings(
        database_url=url, kafka_bootstrap_servers=services.kafka_bootstrap_servers, installation=name,
        topic_prefix=f"{name}.", topic_partitions=3, auth="trusted", encryption_keys=json.loads(KEYS),
    )  # fmt: skip
    await administer(services, f'CREATE DATABASE "{name}"')
    async with AsyncExitStack() as stack:
        stack.push_async_callback(drop_database, services, name)
        for line in ("migrate", "topics create"):
            done = await containers.run(*line.split())
            assert done.status == 0, done.err
        installation = Installation(said, create_engine(url))
        stack.push_async_callback(installation.engine.dispose)
        made = Running(containers, installation)
        for part, words in PARTS.items():
            await _start(made, stack, part, *words, setting="WHOPAYS_METRICS_PORT")
        await _start(made, stack, "serve", "serve", setting="WHOPAYS_SERVE_PORT")
        yield made


async def _start(made: Running, stack: AsyncExitStack, part: str, *words: str, setting: str) -> None:
    made.ports[part] = str(free_port())
    worker = made.workers[part] = await made.containers.start(*words, **{setting: made.ports[part]})
    reader = asyncio.create_task(worker.read())

    async def end() -> None:
        await worker.kill()
        await reader

    stack.push_async_callback(end)
