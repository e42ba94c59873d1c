"""The servers that tests run against: real ones, from the environment, from Docker, or embedded, in this order.

All workers of a run share them. A process of their own holds them and ends when the last worker has, even if killed.
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil

from embedded import Addresses, EmbeddedServices
from tests.support.folders import IN_USE, delete_unless_in_use, locked, temporary_folder

_STARTED, _STARTING, _LOG = "servers.json", "servers.lock", "servers.log"
_START_SECONDS = 300.0


@contextmanager
def servers(run: Path) -> Iterator[Addresses]:
    """Yield the addresses of a PostgreSQL and a Kafka, started if need be; `run` is the folder of this run."""
    database_url = os.environ.get("WHOPAYS_DATABASE_URL")
    kafka = os.environ.get("WHOPAYS_KAFKA_BOOTSTRAP_SERVERS")
    if database_url and kafka:
        yield Addresses(database_url, kafka)
        return
    with locked(run / _STARTING, fcntl.LOCK_EX):
        if not (run / _STARTED).exists():
            _start(run)
    yield Addresses(**json.loads((run / _STARTED).read_text())["addresses"])


def cpu_seconds_of_servers(run: Path) -> float:
    """Return the processor time used so far by the servers that this run started."""
    with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
        holder = psutil.Process(json.loads((run / _STARTED).read_text())["holder"])
        times = [process.cpu_times() for process in (holder, *holder.children(recursive=True))]
        return sum(one.user + one.system + one.children_user + one.children_system for one in times)
    return 0.0


def _start(run: Path) -> None:
    """Make another process hold the servers, and wait until they answer."""
    with (run / _LOG).open("w") as log:
        holder = subprocess.Popen(
            [sys.executable, "-m", "tests.support.servers", run],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parents[2],
            start_new_session=True,  # Ctrl-C is for the tests alone: they need the servers until they have ended
        )
    deadline = time.monotonic() + _START_SECONDS
    while not (run / _STARTED).exists():
        if holder.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the servers did not start:\n{(run / _LOG).read_text()}")
        time.sleep(0.05)
    holder.returncode = 0  # it outlives this process on purpose, and nobody waits for it


def _hold(run: Path) -> None:
    """Start the servers and stop them when nobody uses the run's folder any more."""
    with contextlib.ExitStack() as stack:
        in_use = stack.enter_context((run / IN_USE).open("a"))
        addresses = stack.enter_context(_containers() if _docker_answers() else _embedded())
        started = run / f"{_STARTED}.new"
        started.write_text(json.dumps({"addresses": asdict(addresses), "holder": os.getpid()}))
        started.rename(run / _STARTED)
        fcntl.flock(in_use, fcntl.LOCK_EX)
    delete_unless_in_use(run)


@contextmanager
def _embedded() -> Iterator[Addresses]:
    with temporary_folder(in_memory=True) as folder:
        embedded = EmbeddedServices(folder / "data", report=print)
        try:
            yield embedded.start()
        finally:
            embedded.stop()


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode == 0


@contextmanager
def _containers() -> Iterator[Addresses]:
    from testcontainers.kafka import KafkaContainer
    from testcontainers.postgres import PostgresContainer

    with contextlib.ExitStack() as stack:
        postgresql = stack.enter_context(PostgresContainer("postgres:18", driver="asyncpg"))
        kafka = stack.enter_context(KafkaContainer("confluentinc/cp-kafka:8.1.0").with_kraft())
        yield Addresses(postgresql.get_connection_url(), kafka.get_bootstrap_server())


if __name__ == "__main__":
    _hold(Path(sys.argv[1]))
