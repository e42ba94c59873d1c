"""The servers that are measured, and an installation of the benchmark's own on them."""

import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
from aiokafka.admin import NewTopic
from pydantic import SecretStr
from sqlalchemy import make_url

from benchmarks.contract import check_messages
from benchmarks.failures import BenchmarkFailed
from db.engine import create_engine
from db.migrate import migrate
from db.sealing import fresh_key
from embedded import Addresses, EmbeddedServices
from schemas.topics import TOPIC_PLANS
from workers.runtime.issuers import read_issuers
from workers.runtime.settings import Settings
from workers.topics.cluster import administration
from workers.topics.plan import create_topics

HARNESS = "benchmark"
"""The application name of the benchmark's own connections, whose statements are not a contender's."""

_STATEMENT_PREFIX = "%q%a@%d "
"""Begins each line of PostgreSQL's log that a session writes: application name and database."""


@dataclass(frozen=True)
class Servers(Addresses):
    """Where the servers are reached, and the log that PostgreSQL writes where it is embedded."""

    postgresql_log: Path | None = None


@contextmanager
def servers() -> Iterator[Servers]:
    """Yield the servers that the environment names, or else fresh embedded ones that wait for the disk (fsync)."""
    database_url = os.environ.get("WHOPAYS_DATABASE_URL")
    kafka = os.environ.get("WHOPAYS_KAFKA_BOOTSTRAP_SERVERS")
    if database_url and kafka:
        yield Servers(database_url, kafka)
        return
    if database_url or kafka:
        raise BenchmarkFailed("set both WHOPAYS_DATABASE_URL and WHOPAYS_KAFKA_BOOTSTRAP_SERVERS, or none of them")
    with (
        tempfile.TemporaryDirectory(prefix="whopays-bench-", ignore_cleanup_errors=True) as folder,
        EmbeddedServices(
            Path(folder), for_load=True, postgresql_settings={"log_line_prefix": _STATEMENT_PREFIX}
        ) as embedded,
    ):
        addresses = embedded.start()
        log = Path(folder) / "logs" / "postgresql.log"
        yield Servers(addresses.database_url, addresses.kafka_bootstrap_servers, postgresql_log=log)


@asynccontextmanager
async def installed(addresses: Addresses, issuers: Mapping[str, object] | None = None) -> AsyncIterator[Settings]:
    """Yield the settings of a new installation, with a database and topics of its own that are removed afterwards.

    All that is not its own, such as the size of a batch, comes from the environment as it does for `whopays run`.
    Its senders are trusted; with `issuers`, its topics are made so that processes may check tokens, too. What was said
    on its topics must be as the published schemas say (`check_messages`).
    """
    name = f"bench{uuid4().hex[:12]}"
    url = make_url(addresses.database_url).set(database=name).render_as_string(hide_password=False)
    settings = Settings(
        database_url=url,
        kafka_bootstrap_servers=addresses.kafka_bootstrap_servers,
        installation=name,
        topic_prefix=f"{name}.",
        auth="trusted",
        encryption_keys={name: SecretStr(fresh_key())},
    )
    await _administer(addresses, f'CREATE DATABASE "{name}"')
    try:
        engine = create_engine(url)
        await migrate(engine, name, settings.shards)
        await engine.dispose()
        stamping = {"auth": "jwt", "issuers": read_issuers(issuers)} if issuers else {}
        await create_topics(settings.model_copy(update=stamping))
        try:
            yield settings
            await check_messages(settings)
        finally:
            async with administration(settings) as client:
                await client.delete_topics([settings.topic(plan.topic) for plan in TOPIC_PLANS])
    finally:
        await _administer(addresses, f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def extra_topics(settings: Settings, *names: str) -> AsyncIterator[None]:
    """Have more topics with as many partitions as the installation's own; names with prefix."""
    async with administration(settings) as client:
        await client.create_topics([NewTopic(name, settings.topic_partitions, 1) for name in names])
    try:
        yield
    finally:
        async with administration(settings) as client:
            await client.delete_topics(list(names))


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment for a process of the installation."""
    return {
        **os.environ,
        "WHOPAYS_DATABASE_URL": settings.database_url,
        "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "WHOPAYS_INSTALLATION": settings.installation,
        "WHOPAYS_TOPIC_PREFIX": settings.topic_prefix,
        "WHOPAYS_AUTH": settings.insist_on_auth(),
        "WHOPAYS_ENCRYPTION_KEYS": json.dumps(
            {key_id: key.get_secret_value() for key_id, key in settings.encryption_keys.items()}
        ),
    }


async def connect(database_url: str, name: str = HARNESS) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect to a database, whatever driver its address names, as an application of that name."""
    url = make_url(database_url).set(drivername="postgresql")
    return await asyncpg.connect(url.render_as_string(False), server_settings={"application_name": name})


async def columns_of(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> list[str]:
    """Return the columns of a table that are not computed."""
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attgenerated = '' ORDER BY attnum",
        table,
    )
    return [row["attname"] for row in rows]


async def _administer(addresses: Addresses, statement: str) -> None:
    connection = await connect(addresses.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
