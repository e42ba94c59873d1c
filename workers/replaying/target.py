"""The topic that a replay writes to: whether it is fit, creating it, and what it contains."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidTopicError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from db.log import largest_event_bytes
from schemas.outgoing import event_id_of
from schemas.topics import MOST_PARTITIONS, TOPIC_PLANS, Topic, replay_target_settings
from workers.replaying.refusal import ReplayFailed, ReplayRefused
from workers.runtime.kafka import kafka_reading_options
from workers.runtime.settings import Settings
from workers.topics.cluster import FoundTopic, TopicMissing, administration, describe
from workers.topics.plan import until_known

_FIRST_LOOK = 64
_LOOK_FURTHER = 16
_POLL_MS = 200


async def find_target(settings: Settings, name: str) -> FoundTopic | None:
    """Return a topic as the brokers describe it. Raises TopicMissing if `replay-positions` does not exist."""
    positions = settings.topic(Topic.REPLAY_POSITIONS)
    async with administration(settings) as client:
        found = (await describe(client, [name, positions])).topics
    if positions not in found:
        raise TopicMissing(f"Kafka has no topic {positions}.\nRun: whopays topics create")
    return found.get(name)


async def refuse_unfit(
    settings: Settings, name: str, found: FoundTopic | None, partitions: int | None, topics: Sequence[str]
) -> None:
    """Raise ReplayRefused unless a topic fits events of `topics`: empty, not compacted, not one of whopays' own."""
    if name in {settings.topic(plan.topic) for plan in TOPIC_PLANS}:
        raise ReplayRefused(f"{name} is one of whopays' own topics: a replay goes to a side topic of its own.")
    if found is None:
        return
    if "compact" in found.settings.get("cleanup.policy", ""):
        raise ReplayRefused(f"{name} is compacted: it would lose what a replay writes. Name another topic.")
    if partitions is not None and partitions != found.partitions:
        raise ReplayRefused(f"{name} has {found.partitions} partitions, not {partitions}.")
    if found.partitions > MOST_PARTITIONS:
        raise ReplayRefused(f"{name} has {found.partitions} partitions; a replay has at most {MOST_PARTITIONS:,}.")
    largest, needed = found.settings.get("max.message.bytes", ""), max(map(largest_event_bytes, topics))
    if largest.isdecimal() and int(largest) < needed:
        raise ReplayRefused(
            f"{name} takes messages of at most {largest} bytes, and what is replayed may have {needed}: raise its "
            "max.message.bytes."
        )
    if any(ids is not None for ids in (await last_ids(settings, name, found.partitions)).values()):
        raise ReplayRefused(f"{name} is not empty: a replay goes to a topic of its own. Name another, or delete it.")


async def create_target(settings: Settings, name: str, partitions: int, topics: Sequence[str]) -> FoundTopic:
    """Create a replay's topic unless it exists; return it.

    Raises ReplayFailed if the broker refuses the name, and KafkaError if a retry may succeed.
    """
    replicas = settings.topic_replication_factor
    new = NewTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        replica_assignments={} if replicas == -1 else None,
        topic_configs=replay_target_settings(max(map(largest_event_bytes, topics))),
    )
    async with administration(settings) as client:
        for answer in (await client.create_topics([new])).to_object()["topic_errors"]:
            code = answer["error_code"]
            if code == InvalidTopicError.errno:
                raise ReplayFailed(f"{name} cannot be the name of a topic: {answer['error_message']}")
            if code not in (0, TopicAlreadyExistsError.errno):
                raise for_code(code)(f"Topic {name} was not created: {answer['error_message']}")
        await until_known(client, [name])
        return await _found(client, name)


async def remove_target(settings: Settings, name: str, topic_id: UUID | None = None) -> bool:
    """Delete a replay's topic if it exists; return False if the topic of that name has another id."""
    async with administration(settings) as client:
        found = (await describe(client, [name])).topics.get(name)
        if found is None:
            return True
        if None not in (topic_id, found.topic_id) and found.topic_id != topic_id:
            return False
        await client.delete_topics([name])
        return True


async def insist_on_agreement(settings: Settings, name: str, expected: Mapping[int, str | None]) -> None:
    """Raise ReplayFailed unless the last record of each partition is the expected one."""
    shown = await last_ids(settings, name, len(expected))
    for partition, event_id in expected.items():
        if shown[partition] != event_id:
            raise ReplayFailed(
                f"{name} has {shown[partition] or 'nothing'} as the last record of partition {partition}, but "
                f"{settings.topic(Topic.REPLAY_POSITIONS)} says {event_id or 'none'}: one of them lost records, or "
                "another producer wrote there. Nothing more is written; start again under another name."
            )


async def last_ids(settings: Settings, name: str, partitions: int) -> dict[int, str | None]:
    """Return the event id of each partition's last committed record: `?` if it has no id, None without a record."""
    consumer = AIOKafkaConsumer(**kafka_reading_options(settings))
    try:
        await consumer.start()
        wanted = [TopicPartition(name, number) for number in range(partitions)]
        consumer.assign(wanted)
        begins, ends = await consumer.beginning_offsets(wanted), await consumer.end_offsets(wanted)
        return {one.partition: await _last_id(consumer, one, begins[one], ends[one]) for one in wanted}
    finally:
        await consumer.stop()


async def _last_id(consumer: AIOKafkaConsumer, partition: TopicPartition, begin: int, end: int) -> str | None:
    """Look further and further back, past transaction markers and records of aborted transactions."""
    look = _FIRST_LOOK
    while True:
        start = max(begin, end - look)
        consumer.seek(partition, start)
        last = None
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=_POLL_MS)).get(partition, []):
                last = event_id_of(record.value) or "?"
        if last is not None or start == begin:
            return last
        look *= _LOOK_FURTHER


async def _found(client: AIOKafkaAdminClient, name: str) -> FoundTopic:
    found = (await describe(client, [name])).topics.get(name)
    if found is None:
        # A retryable error: not every broker knows a new topic at once.
        raise UnknownTopicOrPartitionError(f"Kafka does not report {name} yet, which was just created.")
    return found
