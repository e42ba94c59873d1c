"""Creating the topics, and comparing existing ones with what whopays needs (docs/contract.md section 1)."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from db.log import largest_event_bytes
from schemas.topics import INPUT_TOPICS, STAMPED, TOPIC_PLANS, Topic, TopicPlan
from workers.runtime.settings import Settings
from workers.topics.cluster import Cluster, FoundTopic, administration, describe

_DAY_MS = 86_400_000
_SAFE_REPLICAS = 3
_LOOK_AGAIN_SECONDS = 0.05
_LOOKS = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong with a topic (named with its prefix), and what to do about it.

    `breaks` says which guarantee it would break, and is None where the operator may choose.
    """

    topic: str
    what: str
    found: str
    wanted: str
    remedy: str
    breaks: str | None = None


async def create_topics(settings: Settings) -> list[str]:
    """Create missing topics with their settings, leave the others alone, and return the names of those created.

    Returns once the connected broker knows them, since the controller answers earlier. Raises AuthNotConfigured, and
    KafkaError if the broker refuses.
    """
    settings.insist_on_auth()
    async with administration(settings) as client:
        existing = await describe(client, topic_names(settings))
        missing = [plan for plan in _plans(settings) if settings.topic(plan.topic) not in existing.topics]
        if not missing:
            return []
        created = await _create(client, missing, settings)
        await until_known(client, [settings.topic(plan.topic) for plan in missing])
        return created


async def check_topics(settings: Settings) -> list[Difference]:
    """Compare partitions and settings of all topics with what `create_topics` would create."""
    async with administration(settings) as client:
        return differences(await describe(client, topic_names(settings)), settings)


def topic_names(settings: Settings) -> list[str]:
    """Return the names of all topics, with the prefix."""
    return [settings.topic(plan.topic) for plan in TOPIC_PLANS]


def differences(cluster: Cluster, settings: Settings) -> list[Difference]:
    """Compare the topics as a cluster describes them with what `create_topics` would create."""
    found: list[Difference] = []
    for plan in _plans(settings):
        name = settings.topic(plan.topic)
        if name in cluster.topics:
            found += _differing(plan, name, cluster.topics[name], settings)
        else:
            missing = "nothing can be read from it or published to it"
            found.append(Difference(name, "topic", "missing", "present", "run: whopays topics create", missing))
    return found


def _plans(settings: Settings) -> list[TopicPlan]:
    """Return the plans for all topics. Where tokens are checked, the broker sets the timestamps of commands."""
    commands = TopicPlan(Topic.ADMIN_COMMANDS, settings=STAMPED if settings.auth == "jwt" else {})
    return [commands if plan.topic == Topic.ADMIN_COMMANDS else plan for plan in TOPIC_PLANS]


def _differing(plan: TopicPlan, name: str, topic: FoundTopic, settings: Settings) -> Iterator[Difference]:
    wanted = _partitions(plan, settings)
    if topic.partitions != wanted:
        breaks = "of several partitions only one would be read" if plan.single_partition else None
        remedy = _remedy(plan, topic.partitions, wanted)
        yield Difference(name, "partitions", str(topic.partitions), str(wanted), remedy, breaks)
    for setting, value, breaks in (*_planned(plan, topic), *_further(plan, topic)):
        remedy = (
            f"run: kafka-configs.sh --bootstrap-server {settings.kafka_bootstrap_servers} --alter "
            f"--entity-type topics --entity-name {name} --add-config {setting}={value}"
        )
        yield Difference(name, setting, topic.settings.get(setting, "unknown"), value, remedy, breaks)


def _planned(plan: TopicPlan, topic: FoundTopic) -> Iterator[tuple[str, str, str | None]]:
    """Yield the settings that differ from those of `create_topics`, with the right value and what they break."""
    for setting, value in plan.settings.items():
        found = topic.settings.get(setting, "unknown")
        if found == value:
            continue
        match setting:
            case "cleanup.policy" if value == "compact":
                yield setting, value, "the last state of keys that rarely change would be deleted"
            case "cleanup.policy":
                yield setting, value, "a record would remove those before it that have the same key"
            case "message.timestamp.type":
                yield setting, value, "senders could choose when their tokens are checked, and so use expired ones"
            case "retention.ms" | "min.compaction.lag.ms" | "max.message.bytes" if _is_less(found, value):
                yield setting, value, _LESS_BREAKS[setting]
            case _:
                yield setting, value, None


def _further(plan: TopicPlan, topic: FoundTopic) -> Iterator[tuple[str, str, str | None]]:
    """Yield settings that are left to the broker, where its value is unsafe."""
    found = topic.settings
    if plan.topic in INPUT_TOPICS:
        if "compact" in found.get("cleanup.policy", ""):
            yield "cleanup.policy", "delete", "records that nobody has read yet would be removed by later ones"
        if _is_less(found.get("retention.ms", "-1"), str(_DAY_MS)):
            yield "retention.ms", str(7 * _DAY_MS), None
    elif "max.message.bytes" not in plan.settings:
        largest = str(largest_event_bytes(plan.topic))
        if _is_less(found.get("max.message.bytes", largest), largest):
            yield "max.message.bytes", largest, _LESS_BREAKS["max.message.bytes"]
    if found.get("unclean.leader.election.enable") == "true" and topic.replicas > 1:
        yield "unclean.leader.election.enable", "false", "records that were acknowledged could be taken back"
    in_sync = found.get("min.insync.replicas", "")
    if in_sync.isdecimal() and int(in_sync) > topic.replicas:
        yield "min.insync.replicas", str(max(1, topic.replicas - 1)), "no record would ever be acknowledged"
    elif in_sync == "1" and topic.replicas >= _SAFE_REPLICAS:
        yield "min.insync.replicas", "2", "an acknowledged record could be lost with a single broker"


def _is_less(found: str, wanted: str) -> bool:
    """Compare numbers as Kafka writes them, where -1 is unlimited."""
    return found.isdecimal() and int(found) < int(wanted)


_LESS_BREAKS = {
    "retention.ms": "what was published would be kept for a shorter time than was promised",
    "min.compaction.lag.ms": "changes would be removed by later ones before the week that was promised is over",
    "max.message.bytes": "an event that is too large for it would hold up all that come after it",
}


def _partitions(plan: TopicPlan, settings: Settings) -> int:
    return 1 if plan.single_partition else settings.topic_partitions


def _remedy(plan: TopicPlan, found: int, wanted: int) -> str:
    if plan.single_partition:
        return "stop the relay and re-create the topic: whopays reads all of it, from one partition"
    if found > wanted:
        return f"set WHOPAYS_TOPIC_PARTITIONS={found}: partitions are never taken away"
    return f"set WHOPAYS_TOPIC_PARTITIONS={found}, or stop all producers and workers and add partitions"


async def _create(client: AIOKafkaAdminClient, plans: Sequence[TopicPlan], settings: Settings) -> list[str]:
    replicas = settings.topic_replication_factor
    wanted = [
        NewTopic(
            name=settings.topic(plan.topic),
            num_partitions=_partitions(plan, settings),
            replication_factor=replicas,
            # The client accepts -1 (the broker's default) only with an explicit, empty assignment.
            replica_assignments={} if replicas == -1 else None,
            topic_configs=plan.settings,
        )
        for plan in plans
    ]
    created = []
    for answer in (await client.create_topics(wanted)).to_object()["topic_errors"]:
        code = answer["error_code"]
        # Another `whopays topics create` has created it meanwhile.
        if code == TopicAlreadyExistsError.errno:
            continue
        if code:
            raise for_code(code)(f"Topic {answer['topic']} was not created: {answer['error_message']}")
        created.append(answer["topic"])
    return created


async def until_known(client: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """Wait, for some seconds at most, until the broker knows new topics, so that the next request finds them."""
    for _ in range(_LOOKS):
        if set(names) <= (await describe(client, names)).topics.keys():
            return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
