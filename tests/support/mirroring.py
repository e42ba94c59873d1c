"""Mirroring a Kafka cluster, as an operator's tool does."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.topics import TOPIC_PLANS
from workers.runtime.settings import Settings
from workers.topics.cluster import administration


async def mirror(one: Settings, other: Settings) -> None:
    """Copy committed records of all topics: in order, each to the same partition, at whatever offset."""
    producer = AIOKafkaProducer(bootstrap_servers=other.kafka_bootstrap_servers)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=one.kafka_bootstrap_servers, isolation_level="read_committed", enable_auto_commit=False
    )
    try:
        await producer.start()
        await consumer.start()
        async with administration(one) as admin:
            described = await admin.describe_topics([one.topic(plan.topic) for plan in TOPIC_PLANS])
        places = [
            TopicPartition(topic["topic"], number["partition"]) for topic in described for number in topic["partitions"]
        ]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    await producer.send(
                        place.topic, record.value, record.key, place.partition, record.timestamp, list(record.headers)
                    )
        await producer.flush()
    finally:
        await consumer.stop()
        await producer.stop()
