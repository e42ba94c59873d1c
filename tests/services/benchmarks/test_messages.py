"""A benchmark whose messages are not as the published schemas say fails, whatever else it measured."""

from typing import Any

import orjson
import pytest

from benchmarks.client_reading import changes
from benchmarks.contract import check_messages
from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import Fleet, reports
from benchmarks.traffic import Message, send
from schemas.topics import Topic
from tests.support.installations import Installation


async def test_one_broken_message_fails_a_benchmark(quiet_installation: Installation) -> None:
    settings, fleet = quiet_installation.settings, Fleet(1, 2)
    said = {**reports(fleet), Topic.BINDINGS: list(changes(60, 20))}
    for topic, messages in said.items():
        await send(settings, settings.topic(topic), messages)
    await check_messages(settings)
    # Of the topics this one is read last, so that each finds its own.
    for topic, member, wrong in (
        (Topic.BINDINGS, {"change": "Rebound"}, "/change"),
        (Topic.ADMIN_COMMANDS, {"account": 7}, "refuses"),
        (Topic.PROJECTS, {"state": "Gone"}, "refuses"),
    ):
        await send(settings, settings.topic(topic), [_with(said[topic][-1], member)])
        with pytest.raises(BenchmarkFailed, match=f"{topic}/[0-9]+/[0-9]+ is not as its schema says: .*{wrong}"):
            await check_messages(settings)


def _with(message: Message, member: dict[str, Any]) -> Message:
    event = orjson.loads(message.value)
    return Message(message.key, orjson.dumps({**event, "data": {**event["data"], **member}}))
