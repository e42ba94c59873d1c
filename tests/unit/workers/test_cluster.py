"""What is made of a broker's answers about its topics, and how it is asked."""

from io import BytesIO
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError, UnknownTopicOrPartitionError
from aiokafka.protocol.metadata import MetadataRequest_v5

from workers.topics.cluster import Cluster, FoundTopic, TopicMissing, describe, partitions_of
from workers.topics.metadata import Metadata, _MetadataRequest_v12, _Uuid

_ID = UUID(int=7)
_GONE, _FORBIDDEN = UnknownTopicOrPartitionError.errno, TopicAuthorizationFailedError.errno


def _answer(**said: Any) -> Any:
    return SimpleNamespace(to_object=lambda: said)


def _topic(name: str, error: int = 0, replicas: tuple[int, ...] = (3, 2)) -> dict[str, Any]:
    partitions = [{"partition": number, "replicas": [*range(many)]} for number, many in enumerate(replicas)]
    return {"topic": name, "error_code": error, "topic_id": _ID, "partitions": partitions}


def _configured(name: str, error: int = 0) -> dict[str, Any]:
    entries = [{"config_names": "retention.ms", "config_value": "1"}]
    return {"resource_name": name, "error_code": error, "error_message": "why", "config_entries": entries}


class _Client:
    """A client to which a broker answers this."""

    def __init__(self, topics: list[dict[str, Any]], configured: list[dict[str, Any]]) -> None:
        self._topics = topics
        self._answers = [_answer(resources=configured)]
        self.asked: list[str] = []

    async def _send_request(self, _: Metadata) -> Any:
        return _answer(topics=self._topics, cluster_id="c")

    async def describe_configs(self, resources: list[Any]) -> list[Any]:
        self.asked = [one.name for one in resources]
        return self._answers

    async def describe_topics(self, _: list[str]) -> list[dict[str, Any]]:
        return self._topics


async def _described(topics: list[dict[str, Any]], configured: list[dict[str, Any]]) -> tuple[Cluster, list[str]]:
    client: Any = _Client(topics, configured)
    return await describe(client, []), client.asked


async def test_topics_are_described_but_those_that_are_gone() -> None:
    topics = [_topic("a", _GONE), _topic("b"), _topic("c", replicas=()), _topic("d")]
    found, asked = await _described(topics, [_configured("b"), _configured("d", _GONE), _configured("c")])
    settings = {"retention.ms": "1"}
    assert found == Cluster("c", {"b": FoundTopic(_ID, 2, 2, settings), "c": FoundTopic(_ID, 0, 0, settings)})
    assert asked == ["b", "c", "d"]
    assert await _described([_topic("a", _GONE)], [_configured("a", _FORBIDDEN)]) == (Cluster("c", {}), [])


async def test_what_a_broker_does_not_say_is_raised() -> None:
    with pytest.raises(TopicAuthorizationFailedError, match="Topic a cannot be described"):
        await _described([_topic("a", _FORBIDDEN)], [])
    with pytest.raises(TopicAuthorizationFailedError, match="why"):
        await _described([_topic("a")], [_configured("a", _FORBIDDEN)])


async def test_partitions_of_topics_that_are_all_there() -> None:
    there: Any = _Client([_topic("a"), _topic("b", replicas=(1,))], [])
    assert await partitions_of(there, ["a", "b"]) == [
        TopicPartition("a", 0),
        TopicPartition("a", 1),
        TopicPartition("b", 0),
    ]
    missing: Any = _Client([_topic("a"), _topic("b", _GONE)], [])
    with pytest.raises(TopicMissing, match=r"^Kafka has no topic b\.\n.*whopays topics create"):
        await partitions_of(missing, ["a", "b"])


@pytest.mark.parametrize("with_rights", (True, False))
def test_topics_are_asked_for_by_name_and_never_made(with_rights: bool) -> None:
    asking = Metadata(["a"], with_rights=with_rights)
    newer, older = asking.build(_MetadataRequest_v12), asking.build(MetadataRequest_v5)
    assert newer.to_object() == {
        "topics": [{"topic_id": UUID(int=0), "name": "a", "tags": {}}],
        "allow_auto_topic_creation": False,
        "include_topic_authorized_operations": with_rights,
        "tags": {},
    }
    assert older.to_object() == {"topics": ["a"], "allow_auto_topic_creation": False}
    assert (Metadata.API_KEY, newer.API_KEY, newer.API_VERSION, newer.RESPONSE_TYPE.API_VERSION) == (3, 3, 12, 12)
    assert newer.RESPONSE_TYPE.API_KEY == 3
    assert newer.FLEXIBLE_VERSION
    assert Metadata(["a"])._with_rights is False


def test_ids_of_topics_are_sixteen_bytes() -> None:
    answered = BytesIO(_ID.bytes + b"more")
    assert _Uuid.encode(_ID) == _ID.bytes
    assert (_Uuid.decode(answered), answered.read()) == (_ID, b"more")
