"""Whether a process may start on this Kafka: the topics must be safe, and those that the installation has used so far.

KafkaRefused
├── UnsafeTopics   a topic is missing, or its settings would break a guarantee
└── ForeignTopics  the cluster, a topic or its number of partitions is not the one used so far
   └── OtherPrefix  the names of the topics have a different prefix
"""

import asyncio
import time
from collections.abc import Iterator, Mapping

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.known_topics import KnownTopic, first_known, known, replace_known_topics
from db.reading_positions import forget_reading
from schemas.topics import INPUT_TOPICS, TOPIC_PLANS
from workers.runtime.settings import Settings
from workers.topics.cluster import Cluster, administration, describe
from workers.topics.plan import Difference, differences, topic_names

_MISSING_SECONDS = 3.0
_SILENT_SECONDS = 30.0
_RETRY_SECONDS = 0.25

logger = structlog.get_logger()


class KafkaRefused(Exception):
    """These topics cannot be used; the message says why, and what to do."""


class UnsafeTopics(KafkaRefused):
    """A topic is missing, or its settings would break a guarantee."""


class ForeignTopics(KafkaRefused):
    """The cluster, a topic or its number of partitions is not the one that the installation has used so far."""


class OtherPrefix(ForeignTopics):
    """The names of the installation's topics do not begin with the configured prefix."""


async def insist_on_prefix(engine: AsyncEngine, settings: Settings) -> None:
    """Raise OtherPrefix if the installation's known topics have a different prefix.

    Call this before comparing topics: with a wrong prefix all seem to be missing, and creating them would be wrong.
    """
    async with engine.connect() as connection:
        before = await known(connection)
    others = {one.name.removesuffix(one.topic) for one in before.values()} - {settings.topic_prefix}
    if before and others:
        raise OtherPrefix(
            f"The installation's topics begin with {', '.join(sorted(others))}; WHOPAYS_TOPIC_PREFIX says "
            f"{settings.topic_prefix or 'nothing'}.\nCorrect it. If the topics are meant to have other names from now "
            'on, read "What whopays refuses to start on" in docs/operations.md.'
        )


async def admit(engine: AsyncEngine, settings: Settings) -> None:
    """Check that the topics are safe and are those of this installation; record them the first time.

    Raises KafkaRefused, KafkaConnectionError if no broker answers, and KafkaError if the brokers stop answering.
    """
    await insist_on_prefix(engine, settings)
    cluster = await _described(settings)
    found = differences(cluster, settings)
    if breaking := [difference for difference in found if difference.breaks]:
        raise UnsafeTopics("\n".join(["The topics would break what is promised:", *map(_in_words, breaking)]))
    for difference in found:
        logger.warning(
            "topic_differs",
            topic=difference.topic,
            what=difference.what,
            found=difference.found,
            wanted=difference.wanted,
        )
    now = as_known(cluster, settings)
    async with engine.begin() as connection:
        before = await first_known(connection, now.values())
    if changes := list(changed(before, now)):
        raise ForeignTopics(
            "\n  ".join(["The topics are not those that this installation worked with:", *changes])
            + "\nCorrect WHOPAYS_KAFKA_BOOTSTRAP_SERVERS or WHOPAYS_TOPIC_PREFIX. If that is meant, read "
            '"What whopays refuses to start on" in docs/operations.md, and run: whopays topics adopt'
        )


async def adopt(engine: AsyncEngine, settings: Settings) -> list[str]:
    """Accept the topics as they are from now on; return what changed. Raises UnsafeTopics if one is missing.

    An input topic that was re-created, or is on another cluster, is read from its beginning.
    """
    cluster = await _described(settings)
    now = as_known(cluster, settings)
    if missing := [name for name in topic_names(settings) if name not in cluster.topics]:
        raise UnsafeTopics(
            f"There is no topic {', '.join(missing)}.\nIf WHOPAYS_TOPIC_PREFIX is right, run: whopays topics create"
        )
    async with engine.begin() as connection:
        before = await known(connection)
        changes = list(changed(before, now))
        await replace_known_topics(connection, now.values())
        for topic in INPUT_TOPICS:
            if topic in before and _is_different(before[topic], now[topic]):
                await forget_reading(connection, now[topic].name)
    return changes


def as_known(cluster: Cluster, settings: Settings) -> dict[str, KnownTopic]:
    """Return the topics of a cluster in the form in which they are recorded, by name without prefix."""
    topics = {}
    for plan in TOPIC_PLANS:
        name = settings.topic(plan.topic)
        if found := cluster.topics.get(name):
            topic = str(plan.topic)
            topics[topic] = KnownTopic(topic, name, cluster.cluster_id, found.topic_id, found.partitions)
    return topics


def changed(before: Mapping[str, KnownTopic], now: Mapping[str, KnownTopic]) -> Iterator[str]:
    """Yield a description of each change."""
    clusters = {(before[topic].cluster, found.cluster) for topic, found in now.items() if topic in before}
    moves = [(was, is_) for was, is_ in clusters if was and is_ and was != is_]
    for was, is_ in moves:
        yield f"they are on the Kafka cluster {is_}, and were on {was}"
    for topic, found in now.items():
        known_topic = before.get(topic, found)
        if found.name != known_topic.name:
            yield f"{topic} is {found.name}, and was {known_topic.name}"
        elif not moves and found.topic_id and known_topic.topic_id and found.topic_id != known_topic.topic_id:
            yield f"{found.name} was deleted and re-created: its id is {found.topic_id}, and was {known_topic.topic_id}"
        if found.partitions != known_topic.partitions:
            keys = "commands and facts" if topic in INPUT_TOPICS else "events"
            yield (
                f"{found.name} has {found.partitions} partitions, and had {known_topic.partitions}: {keys} of one key "
                "go to another partition than before, and their order is lost"
            )


def _is_different(before: KnownTopic, now: KnownTopic) -> bool:
    return (before.name, before.cluster, before.topic_id) != (now.name, now.cluster, now.topic_id)


async def _described(settings: Settings) -> Cluster:
    """Describe the topics, retrying for a while: not every broker knows a new topic at once."""
    began = time.monotonic()
    async with administration(settings) as client:
        while True:
            waited = time.monotonic() - began
            try:
                cluster = await describe(client, topic_names(settings))
                if len(cluster.topics) == len(TOPIC_PLANS) or waited > _MISSING_SECONDS:
                    return cluster
            except (KafkaError, TimeoutError) as error:
                if waited > _SILENT_SECONDS:
                    raise
                logger.warning("topics_asked_again", error=type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)


def _in_words(difference: Difference) -> str:
    return (
        f"  {difference.topic}: {difference.what} is {difference.found}, not {difference.wanted}: "
        f"{difference.breaks}; {difference.remedy}"
    )
