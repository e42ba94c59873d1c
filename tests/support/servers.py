"""The servers that tests run against: real ones, from the environment, from Docker, or embedded, in this order."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded import Addresses, EmbeddedServices


@contextmanager
def servers() -> Iterator[Addresses]:
    """Yield the addresses of a PostgreSQL and a Kafka for the length of a test run."""
    database_url = os.environ.get("WHOPAYS_DATABASE_URL")
    kafka = os.environ.get("WHOPAYS_KAFKA_BOOTSTRAP_SERVERS")
    if database_url and kafka:
        yield Addresses(database_url, kafka)
    elif _docker_answers():
        with _containers() as addresses:
            yield addresses
    else:
        with tempfile.TemporaryDirectory(prefix="whopays-", ignore_cleanup_errors=True) as folder:
            embedded = EmbeddedServices(Path(folder), report=print)
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
