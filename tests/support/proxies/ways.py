"""A worker's connections to its two servers, each through a proxy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import make_url

from tests.support.installations import Installation
from tests.support.proxies.kafka import KafkaProxy
from tests.support.proxies.network import Proxy
from tests.support.proxies.postgresql import PostgresqlProxy


@dataclass(frozen=True)
class Ways:
    """What can be broken between a worker and its servers; a process without this environment bypasses it."""

    kafka: KafkaProxy
    database: PostgresqlProxy
    environment: dict[str, str]

    @property
    def both(self) -> tuple[Proxy, Proxy]:
        """Both ways."""
        return self.kafka, self.database


@asynccontextmanager
async def ways_of(installation: Installation) -> AsyncIterator[Ways]:
    """Yield the ways to the servers of an installation, mended."""
    url = make_url(installation.settings.database_url)
    assert url.host is not None
    host, port = installation.kafka_bootstrap_servers.split(",")[0].rsplit(":", 1)
    async with KafkaProxy(host, int(port)) as kafka, PostgresqlProxy(url.host, url.port or 5432) as database:
        way = url.set(host="127.0.0.1", port=database.port).render_as_string(hide_password=False)
        environment = {
            "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka.port}",
            "WHOPAYS_DATABASE_URL": way,
        }
        yield Ways(kafka, database, environment)
