"""Topics on which a process refuses to start, and what it says; each is set up on a real broker."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial

import pytest
from aiokafka.admin import NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError
from sqlalchemy import text
from structlog.testing import capture_logs

from schemas.topics import TOPIC_PLANS, Topic
from tests.support.installations import Installation
from tests.support.kafka import delete_topic
from tests.support.waiting import until
from workers.runtime.settings import AuthNotConfigured, Settings
from workers.topics import admission
from workers.topics.admission import ForeignTopics, KafkaRefused, UnsafeTopics, admit, adopt
from workers.topics.cluster import administration, describe
from workers.topics.plan import _create, create_topics

_PLANNED = {plan.topic: plan.settings for plan in TOPIC_PLANS}
_DAY_MS = 86_400_000


async def _set(installation: Installation, topic: Topic, changed: Mapping[str, str]) -> None:
    name = installation.settings.topic(topic)
    settings = {**_PLANNED[topic], **changed}
    async with administration(installation.settings) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, settings)])

        async def is_set() -> bool:
            found = (await describe(admin, [name])).topics[name].settings
            return all(found[setting] == value for setting, value in settings.items())

        await until(is_set, "the settings")


@pytest.fixture(autouse=True)
def _no_log() -> Iterator[None]:
    """Keeps logs away from where another test has pointed them."""
    with capture_logs():
        yield


async def _refused(installation: Installation, kind: type[KafkaRefused]) -> str:
    with pytest.raises(kind) as refused:
        await admit(installation.engine, installation.settings)
    return str(refused.value)


@pytest.mark.parametrize(
    ("topic", "setting", "value", "words"),
    (
        (Topic.BINDINGS, "cleanup.policy", "delete", "the last state of keys that rarely change would be deleted"),
        (Topic.RELAY_POSITIONS, "cleanup.policy", "compact,delete", "is compact,delete, not compact: the last state"),
        (Topic.COMMAND_RESULTS, "cleanup.policy", "compact", "remove those before it that have the same key"),
        (Topic.COMMAND_RESULTS, "retention.ms", str(_DAY_MS), "a shorter time than was promised"),
        (Topic.ACCOUNTS, "min.compaction.lag.ms", "0", "before the week that was promised is over"),
        (Topic.DEAD_LETTERS, "max.message.bytes", "1048588", "would hold up all that come after it"),
        (Topic.NOTICES, "max.message.bytes", "65536", "would hold up all that come after it"),
        (Topic.ADMIN_COMMANDS, "cleanup.policy", "compact", "records that nobody has read yet"),
        (Topic.PROJECTS, "min.insync.replicas", "2", "no record would ever be acknowledged"),
    ),
)
async def test_settings_that_break_a_promise(
    quiet_installation: Installation, topic: Topic, setting: str, value: str, words: str
) -> None:
    installation = quiet_installation
    await admit(installation.engine, installation.settings)
    await _set(installation, topic, {setting: value})
    said = await _refused(installation, UnsafeTopics)
    assert f"{installation.settings.topic(topic)}: {setting} is {value}, not " in said
    assert words in said
    assert f"kafka-configs.sh --bootstrap-server {installation.kafka_bootstrap_servers} --alter" in said


async def test_settings_that_are_a_matter_of_taste(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await _set(installation, Topic.COMMAND_RESULTS, {"retention.ms": "-1"})
    await _set(installation, Topic.ACCOUNTS, {"min.compaction.lag.ms": str(30 * _DAY_MS)})
    await _set(installation, Topic.RELAY_POSITIONS, {"segment.bytes": "33554432"})
    wider = installation.settings.model_copy(update={"topic_partitions": 12})
    with capture_logs() as logged:
        await admit(installation.engine, wider)
    told = {(line["topic"].removeprefix(installation.prefix), line["what"]) for line in logged}
    assert {("command-results", "retention.ms"), ("accounts", "min.compaction.lag.ms")} < told
    assert {("relay-positions", "segment.bytes"), ("projects", "partitions")} < told
    assert all((line["event"], line["log_level"]) == ("topic_differs", "warning") for line in logged)


async def test_commands_that_are_not_stamped_by_the_broker_where_tokens_are_checked(
    quiet_installation: Installation,
) -> None:
    checking = quiet_installation.settings.model_copy(update={"auth": "jwt"})
    with pytest.raises(
        UnsafeTopics, match=r"admin-commands: message\.timestamp\.type is CreateTime, not LogAppendTime"
    ):
        await admit(quiet_installation.engine, checking)
    await _set(quiet_installation, Topic.ADMIN_COMMANDS, {"message.timestamp.type": "LogAppendTime"})
    await admit(quiet_installation.engine, checking)
    await admit(quiet_installation.engine, quiet_installation.settings)


async def test_a_topic_that_is_missing(quiet_installation: Installation) -> None:
    await delete_topic(quiet_installation, Topic.NOTICES)
    said = await _refused(quiet_installation, UnsafeTopics)
    assert f"{quiet_installation.prefix}notices: topic is missing" in said
    assert "run: whopays topics create" in said
    with pytest.raises(UnsafeTopics, match="whopays topics create"):
        await adopt(quiet_installation.engine, quiet_installation.settings)


@pytest.mark.parametrize("topic", (Topic.ADMIN_COMMANDS, Topic.BINDINGS))
async def test_partitions_that_were_added(quiet_installation: Installation, topic: Topic) -> None:
    installation = quiet_installation
    await admit(installation.engine, installation.settings)
    name = installation.settings.topic(topic)
    async with administration(installation.settings) as admin:
        await admin.create_partitions({name: NewPartitions(5)})
        await until(partial(_has_partitions, installation.settings, name, 5), "the partitions")
    said = await _refused(installation, ForeignTopics)
    assert f"{name} has 5 partitions, and had 3: " in said
    assert "whopays topics adopt" in said
    (change,) = await adopt(installation.engine, installation.settings)
    assert "has 5 partitions, and had 3" in change
    await admit(installation.engine, installation.settings)


async def _has_partitions(settings: Settings, name: str, partitions: int) -> bool:
    async with administration(settings) as admin:
        return (await describe(admin, [name])).topics[name].partitions == partitions


async def test_a_topic_that_was_re_created(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await admit(installation.engine, installation.settings)
    await delete_topic(installation, Topic.ADMIN_COMMANDS)
    assert await create_topics(installation.settings) == [installation.settings.topic(Topic.ADMIN_COMMANDS)]
    said = await _refused(installation, ForeignTopics)
    assert f"{installation.prefix}admin-commands was deleted and re-created: its id is " in said
    assert len(await adopt(installation.engine, installation.settings)) == 1
    await admit(installation.engine, installation.settings)


async def test_a_topic_that_appears_a_moment_later_is_waited_for(
    quiet_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_MISSING_SECONDS", 60.0)
    installation = quiet_installation
    await delete_topic(installation, Topic.NOTICES)
    await asyncio.gather(admit(installation.engine, installation.settings), create_topics(installation.settings))


async def test_replicas_are_the_brokers_to_choose_or_as_many_as_are_said(quiet_installation: Installation) -> None:
    settings, name = quiet_installation.settings, quiet_installation.settings.topic(Topic.NOTICES)
    await delete_topic(quiet_installation, Topic.NOTICES)
    with pytest.raises(AuthNotConfigured):
        await create_topics(settings.model_copy(update={"auth": None}))
    with pytest.raises(InvalidReplicationFactorError, match=f"Topic {name} was not created: "):
        await create_topics(settings.model_copy(update={"topic_replication_factor": 3}))
    assert await create_topics(settings.model_copy(update={"topic_replication_factor": -1})) == [name]
    async with administration(settings) as admin:
        found = (await describe(admin, [name])).topics[name]
    assert (found.partitions, found.replicas) == (settings.topic_partitions, 1)


async def test_topics_that_somebody_else_has_just_created_are_passed_over(quiet_installation: Installation) -> None:
    settings, last = quiet_installation.settings, TOPIC_PLANS[-1].topic
    await delete_topic(quiet_installation, last)
    async with administration(settings) as admin:
        # As if none had been there when it looked.
        assert await _create(admin, TOPIC_PLANS, settings) == [settings.topic(last)]


async def test_another_cluster(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await admit(installation.engine, installation.settings)
    async with installation.engine.begin() as connection:
        await connection.execute(text("UPDATE known_topics SET cluster = 'elsewhere', topic_id = gen_random_uuid()"))
    said = await _refused(installation, ForeignTopics)
    assert ", and were on elsewhere" in said
    assert "re-created" not in said, "that the ids differ goes without saying"
    assert len(await adopt(installation.engine, installation.settings)) == 1
    await admit(installation.engine, installation.settings)


@pytest.mark.parametrize(
    ("prefix", "there"),
    (("{}other.", True), ("{}other.", False), ("bil.", False), ("", False), ("{}bindings", False)),
)
async def test_another_prefix(quiet_installation: Installation, prefix: str, there: bool) -> None:
    installation = quiet_installation
    await admit(installation.engine, installation.settings)
    other = installation.settings.model_copy(update={"topic_prefix": prefix.format(installation.prefix)})
    if there:
        await create_topics(other)
    with pytest.raises(ForeignTopics) as refused:
        await admit(installation.engine, other)
    said = str(refused.value)
    assert f"begin with {installation.prefix}; WHOPAYS_TOPIC_PREFIX says {other.topic_prefix or 'nothing'}" in said
    assert "topics create" not in said
    await admit(installation.engine, installation.settings)
    if there:
        assert len(await adopt(installation.engine, other)) == len(TOPIC_PLANS)
        await admit(installation.engine, other)


async def test_a_process_that_is_refused_reads_and_publishes_nothing(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await _set(installation, Topic.BINDINGS, {"cleanup.policy": "delete"})
    worker = await installation.launch()
    assert await worker.ended() == 1
    await worker.logged("The topics would break what is promised")
    assert not worker.started.is_set()
    assert not any("Traceback" in line for line in worker.lines)
    await _set(installation, Topic.BINDINGS, {})
    await installation.start()
