"""What brokers say about topics that come and go while they are asked."""

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import Topic
from tests.support.installations import Installation
from tests.support.kafka import delete_topic
from workers.topics.cluster import describe


async def test_a_topic_that_is_deleted_between_two_questions_is_gone(quiet_installation: Installation) -> None:
    settings = quiet_installation.settings
    kept, deleted = settings.topic(Topic.PROJECTS), settings.topic(Topic.NOTICES)

    class Overtaken(AIOKafkaAdminClient):  # type: ignore[misc]  # aiokafka ships no types
        """Somebody deletes the topic between the questions about its partitions and its settings."""

        async def describe_configs(self, *arguments: Any, **options: Any) -> Any:
            await delete_topic(quiet_installation, Topic.NOTICES)
            return await super().describe_configs(*arguments, **options)

    admin = Overtaken(bootstrap_servers=settings.kafka_bootstrap_servers)
    try:
        await admin.start()
        assert set((await describe(admin, [kept, deleted])).topics) == {kept}
    finally:
        await admin.close()
