"""Header names that are not UTF-8: the record is answered all the same, and so are the records around it."""

import re
from base64 import b64encode
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from sqlalchemy import text

from schemas.records import DeadLetterReason
from schemas.topics import Topic
from tests.support.command_line import whopays_of
from tests.support.installations import Installation
from tests.support.kafka import dead_letters, exactly_published, results
from tests.support.messages import Said, account, profile, project

_NOT_UTF_8 = b"ce_odd\xff\xfe"


class _Undecodable(str):
    """A name that aiokafka writes as bytes that are not its UTF-8."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return _NOT_UTF_8


def _with_undecodable_header(said: Said) -> Said:
    return Said(said.topic, said.key, said.value, (*said.headers, (_Undecodable("odd"), b"value")))


async def _send_in_one_batch(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, said: list[Said], compression: str | None
) -> None:
    """Send records as one batch, so that those before and after an undecodable header share it."""
    monkeypatch.setattr(message_accumulator, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    producer = AIOKafkaProducer(
        bootstrap_servers=installation.kafka_bootstrap_servers, compression_type=compression, enable_idempotence=True
    )
    try:
        await producer.start()
        batch = producer.create_batch()
        for one in said:
            assert batch.append(key=one.key, value=one.value, timestamp=None, headers=list(one.headers)) is not None
        sent = await producer.send_batch(batch, installation.settings.topic(said[0].topic), partition=0)
        await sent
    finally:
        await producer.stop()
    monkeypatch.undo()


@pytest.mark.parametrize("compression", (None, "gzip"))
async def test_one_among_others(
    quiet_installation: Installation, monkeypatch: pytest.MonkeyPatch, compression: str | None
) -> None:
    installation = quiet_installation
    facts = [project("acme", f"p{number}") for number in range(5)]
    for place in (0, 2, 3):
        facts[place] = _with_undecodable_header(facts[place])
    await _send_in_one_batch(installation, monkeypatch, facts, compression)
    unreadable = Said(Topic.ADMIN_COMMANDS, b"acme", b"hello")
    commands = [_with_undecodable_header(one) for one in (account("acme", "main"), unreadable)]
    commands.append(account("acme", "b"))
    await _send_in_one_batch(installation, monkeypatch, [profile("acme")], compression)
    await _send_in_one_batch(installation, monkeypatch, commands, compression)
    worker = await installation.start()

    answered = results(found := await exactly_published(installation))
    assert (answered["create-main"]["outcome"], answered["create-b"]["outcome"]) == ("Applied", "Applied")
    (letter,) = dead_letters(found)
    assert letter["reason"] == DeadLetterReason.UNDECODABLE
    assert letter["headers"] == [{"name": "ce_odd\\xff\\xfe", "value": b64encode(b"value").decode()}]
    async with installation.engine.connect() as connection:
        known = (await connection.execute(text("SELECT project FROM projects ORDER BY project"))).scalars()
        assert list(known) == [f"p{number}" for number in range(5)]

    whopays = whopays_of(installation)
    shown = (await whopays("dead-letters", "show", "1")).expect(0).out
    assert re.search(r"^ *header +ce_odd\\xff\\xfe", shown, re.MULTILINE)
    (await whopays("dead-letters", "redrive", "1")).expect(0)
    assert len(dead_letters(await exactly_published(installation))) == 2
    assert await worker.stop() == 0
