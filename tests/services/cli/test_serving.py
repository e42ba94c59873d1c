"""`whopays migrate`, `topics` and `health`."""

import time
from collections.abc import AsyncIterator
from functools import partial
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka.admin import NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import text

from db.engine import create_engine
from db.revisions import head_revision
from embedded import Addresses
from tests.support.command_line import Whopays
from tests.support.installations import administer, database_url, drop_database
from tests.support.waiting import until
from workers.runtime.metrics_server import MetricsServer
from workers.runtime.settings import Settings
from workers.topics.cluster import administration, describe
from workers.topics.plan import check_topics, create_topics, topic_names


@pytest_asyncio.fixture
async def empty_database(services: Addresses) -> AsyncIterator[str]:
    """The address of an empty database."""
    name = f"empty_{uuid4().hex[:12]}"
    await administer(services, f'CREATE DATABASE "{name}"')
    yield database_url(services, name)
    await drop_database(services, name)


async def test_migrating_an_empty_database_and_again(whopays: Whopays, empty_database: str) -> None:
    unmade = await whopays("who", "acme", "web", WHOPAYS_DATABASE_URL=empty_database)
    assert "Run: whopays migrate" in unmade.expect(1).err

    planned = (await whopays("migrate", "--plan", WHOPAYS_DATABASE_URL=empty_database)).expect(0).out
    assert planned == f"The database is empty: whopays migrate makes the tables of revision {head_revision()}.\n"
    first = (await whopays("migrate", "--json", WHOPAYS_DATABASE_URL=empty_database)).expect(0).document
    assert first["before"] is None
    planned = (await whopays("migrate", "--plan", WHOPAYS_DATABASE_URL=empty_database)).expect(0).out
    assert planned == f"The database is at revision {head_revision()} already: there is nothing to do.\n"
    again = (await whopays("migrate", WHOPAYS_DATABASE_URL=empty_database)).expect(0).out
    assert f"at revision {first['after']} already" in again
    other = await whopays("migrate", WHOPAYS_DATABASE_URL=empty_database, WHOPAYS_INSTALLATION="other")
    assert "belongs to the installation" in other.expect(1).err


async def test_what_an_older_database_needs_is_told_and_not_done(whopays: Whopays, empty_database: str) -> None:
    made = (await whopays("migrate", WHOPAYS_DATABASE_URL=empty_database)).expect(0)
    assert made.out == f"The database is at revision {head_revision()} now (empty before).\n"
    engine = create_engine(empty_database)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '0012'"))
        planned = await whopays("migrate", "--plan", WHOPAYS_DATABASE_URL=empty_database)
        assert planned.expect(0).out.startswith(
            f"From revision 0012 to {head_revision()}, in one transaction, with every process stopped:\n"
            "  0013  expand        Store the verdict of the last audit\n"
            "  0014  needs a stop  Store who asked with each result in the log,"
        )
        assert planned.out.splitlines()[-2].startswith("The largest tables: log ")
        assert planned.out.splitlines()[-1] == "docs/migrations.md says what to know about each."
        document = (
            (await whopays("migrate", "--plan", "--json", WHOPAYS_DATABASE_URL=empty_database)).expect(0).document
        )
        assert (document["present"], document["wanted"]) == ("0012", head_revision())
        assert document["needsStop"] is True
        assert document["migrations"][0] == {
            "revision": "0013",
            "title": "Store the verdict of the last audit",
            "kind": "expand",
            "oldestCode": "0012",
        }
        assert document["largestTables"]["log"] > 0
        async with engine.connect() as connection:
            noted = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
        assert noted == "0012"
        other = await whopays("migrate", "--plan", WHOPAYS_DATABASE_URL=empty_database, WHOPAYS_INSTALLATION="other")
        assert "belongs to the installation" in other.expect(1).err
    finally:
        await engine.dispose()


async def test_a_database_of_something_else_is_left_alone(whopays: Whopays, empty_database: str) -> None:
    engine = create_engine(empty_database)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE precious (id integer)"))
    await engine.dispose()
    refused = await whopays("migrate", WHOPAYS_DATABASE_URL=empty_database)
    assert "not whopays' (precious)" in refused.expect(1).err


async def test_topics_are_created_and_checked(whopays: Whopays, services: Addresses, empty_database: str) -> None:
    prefix = f"t{uuid4().hex[:8]}."
    environment = {
        "WHOPAYS_TOPIC_PREFIX": prefix,
        "WHOPAYS_TOPIC_PARTITIONS": "3",
        # A database that does not know the topics yet.
        "WHOPAYS_DATABASE_URL": empty_database,
    }
    settings = Settings(
        kafka_bootstrap_servers=services.kafka_bootstrap_servers,
        topic_prefix=prefix,
        topic_partitions=3,
        auth="trusted",
    )
    assert "whopays topics create" in (await whopays("topics", "check", **environment)).expect(1).out
    missing = await whopays("send", "BindProject", "--organization", "acme", **environment)
    assert "run: whopays topics create" in missing.expect(1).err

    async with administration(settings) as client:
        await client.create_topics([NewTopic(f"{prefix}bindings", 2, 1, topic_configs={"cleanup.policy": "delete"})])
    created = (await whopays("topics", "create", "--json", **environment)).expect(0).document
    assert set(created["created"]) == set(topic_names(settings)) - {f"{prefix}bindings"}
    assert await create_topics(settings) == []

    found = (await whopays("topics", "check", "--json", **environment)).expect(1).document["differences"]
    assert [(one["topic"], one["what"], one["found"], one["wanted"]) for one in found] == [
        (f"{prefix}bindings", "partitions", "2", "3"),
        (f"{prefix}bindings", "cleanup.policy", "delete", "compact"),
        (f"{prefix}bindings", "min.compaction.lag.ms", "0", "604800000"),
    ]
    assert "--add-config cleanup.policy=compact" in found[1]["remedy"]
    again = (await whopays("topics", "create", **environment)).expect(0).out
    assert again.startswith("All topics exist already.\nWhat differs\n")
    assert f"{prefix}bindings  cleanup.policy: found delete, wanted compact" in again

    async with administration(settings) as client:
        await client.delete_topics([f"{prefix}bindings"])
    await until(partial(_is_missing, settings, f"{prefix}bindings"), "the deletion, which takes its time")
    assert "created" in (await whopays("topics", "create", **environment)).expect(0).out.lower()
    assert "as they should be" in (await whopays("topics", "check", **environment)).expect(0).out

    # Where tokens are checked, the broker stamps the commands.
    environment |= {"WHOPAYS_AUTH": "jwt", "WHOPAYS_ISSUERS": '{"https://me": {"audiences": ["us"], "jwks": "k.json"}}'}
    (found,) = (await whopays("topics", "check", "--json", **environment)).expect(1).document["differences"]
    assert (found["topic"], found["wanted"]) == (f"{prefix}admin-commands", "LogAppendTime")
    async with administration(settings) as client:
        await client.delete_topics([f"{prefix}admin-commands"])
    await until(partial(_is_missing, settings, f"{prefix}admin-commands"), "the deletion, which takes its time")
    (await whopays("topics", "create", **environment)).expect(0)
    assert "as they should be" in (await whopays("topics", "check", **environment)).expect(0).out


@pytest.mark.parametrize("database", (None, "postgresql://me:hidden@127.0.0.1:1/x"), ids=("known", "away"))
async def test_topics_of_another_prefix_are_not_created_by_mistake(
    whopays: Whopays, services: Addresses, database: str | None
) -> None:
    prefix = f"t{uuid4().hex[:8]}."
    environment = {"WHOPAYS_TOPIC_PREFIX": prefix} | ({"WHOPAYS_DATABASE_URL": database} if database else {})
    settings = Settings(kafka_bootstrap_servers=services.kafka_bootstrap_servers, topic_prefix=prefix)
    if database is None:
        refused = (await whopays("topics", "create", **environment)).expect(1).err
        assert f"WHOPAYS_TOPIC_PREFIX says {prefix}" in refused
        assert "--new-prefix" in refused
        assert f"WHOPAYS_TOPIC_PREFIX says {prefix}" in (await whopays("topics", "check", **environment)).expect(2).err
        assert f"WHOPAYS_TOPIC_PREFIX says {prefix}" in (await whopays("verify", **environment)).expect(2).err
        async with administration(settings) as client:
            assert (await describe(client, topic_names(settings))).topics == {}
    flag = () if database else ("--new-prefix",)
    created = (await whopays("topics", "create", "--json", *flag, **environment)).expect(0).document["created"]
    assert set(created) == set(topic_names(settings))
    async with administration(settings) as client:
        await client.delete_topics(topic_names(settings))


async def _is_missing(settings: Settings, topic: str) -> bool:
    try:
        differences = await check_topics(settings)
    except UnknownTopicOrPartitionError:
        return False  # it disappeared between two questions
    return any((one.topic, one.found) == (topic, "missing") for one in differences)


async def test_health_is_each_roles_sign_of_life(whopays: Whopays) -> None:
    registry = CollectorRegistry()
    heartbeat = Gauge("whopays_role_heartbeat_timestamp_seconds", "Sign of life", ["role"], registry=registry)
    server = MetricsServer("127.0.0.1", 0, registry)
    environment = {"WHOPAYS_METRICS_PORT": str(server.port)}
    try:
        assert "started no role" in (await whopays("health", **environment)).expect(1).err
        heartbeat.labels("relay").set(time.time())
        assert "relay: alive" in (await whopays("health", **environment)).expect(0).out
        heartbeat.labels("projects").set(time.time() - 31)
        silent = (await whopays("health", **environment)).expect(1)
        assert "No sign of life from projects" in silent.err
        assert "projects: silent" in silent.out
        assert (await whopays("health", "--json", **environment)).expect(1).document["healthy"] is False
    finally:
        server.close()
    assert "No whopays process answers" in (await whopays("health", **environment)).expect(1).err
    assert "Set WHOPAYS_METRICS_PORT" in (await whopays("health", WHOPAYS_METRICS_PORT="0")).expect(1).err


@pytest.mark.parametrize(
    "arguments", (("who", "acme", "web"), ("migrate",), ("send", "BindProject", "--organization", "acme"))
)
async def test_a_database_that_is_away_is_named_without_its_password(
    whopays: Whopays, arguments: tuple[str, ...]
) -> None:
    ran = (await whopays(*arguments, WHOPAYS_DATABASE_URL="postgresql://me:hidden@127.0.0.1:1/x")).expect(1)
    assert "PostgreSQL at postgresql://me:***@127.0.0.1:1/x cannot be used" in ran.err
    assert "hidden" not in ran.err + ran.out
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments", (("topics", "create"), ("tail",), ("send", "BindProject", "--organization", "acme"))
)
async def test_a_broker_that_is_away_is_named(whopays: Whopays, arguments: tuple[str, ...]) -> None:
    ran = (await whopays(*arguments, WHOPAYS_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")).expect(1)
    assert "Kafka at 127.0.0.1:1 cannot be used: no broker answers" in ran.err


@pytest.mark.parametrize("arguments", (("verify",), ("topics", "check")))
@pytest.mark.parametrize(
    ("variable", "value"), (("WHOPAYS_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"), ("WHOPAYS_SHARDS", "0"))
)
async def test_what_could_not_be_checked_is_not_called_wrong(
    whopays: Whopays, arguments: tuple[str, ...], variable: str, value: str
) -> None:
    ran = (await whopays(*arguments, **{variable: value})).expect(2)
    assert "error: " in ran.err


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    (
        ("WHOPAYS_SHARDS", "0", "WHOPAYS_SHARDS: should be greater than or equal to 1"),
        ("WHOPAYS_METRICS_PORT", "abc", "WHOPAYS_METRICS_PORT: should be a valid integer"),
        ("WHOPAYS_TOPIC_PREFIX", "b ", "WHOPAYS_TOPIC_PREFIX: a topic prefix has"),
        ("WHOPAYS_PAYMENT_PROFILE_KINDS", "CreditCard", "payment_profile_kinds"),
        ("WHOPAYS_DATABASE_URL", "nonsense", "WHOPAYS_DATABASE_URL is not an address"),
    ),
)
async def test_bad_settings_are_named(whopays: Whopays, variable: str, value: str, words: str) -> None:
    assert words in (await whopays("dead-letters", "list", **{variable: value})).expect(1).err
