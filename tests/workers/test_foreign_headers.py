"""Names of headers that are not UTF-8: the record is a dead letter, and what lies around it is read."""

from base64 import b64encode
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from schemas.envelope import attributes_and_data
from schemas.records import DeadLetterReason, Unanswerable, header_name, header_name_bytes, shown_header_name
from tests.cli.conftest import whopays_of
from tests.installations import Installation
from tests.kafka import dead_letters, exactly_published, results
from tests.messages import Said, account, profile, project
from tests.schemas.building import record

_FOREIGN = b"ce_odd\xff\xfe"


class _Foreign(str):
    """A name that aiokafka writes as other bytes than its own."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return _FOREIGN


def _with_foreign_header(said: Said) -> Said:
    return Said(said.topic, said.key, said.value, (*said.headers, (_Foreign("odd"), b"value")))


async def _send_in_one_batch(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, said: list[Said], compression: str | None
) -> None:
    """Send records as one batch: those before and after a foreign header lie in the same one."""
    monkeypatch.setattr(message_accumulator, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    producer = AIOKafkaProducer(
        bootstrap_servers=installation.kafka_bootstrap_servers, compression_type=compression, enable_idempotence=True
    )
    await producer.start()
    batch = producer.create_batch()
    for one in said:
        assert batch.append(key=one.key, value=one.value, timestamp=None, headers=list(one.headers)) is not None
    sent = await producer.send_batch(batch, installation.settings.topic(said[0].topic), partition=0)
    await sent
    await producer.stop()
    monkeypatch.undo()


@pytest.mark.parametrize("compression", (None, "gzip"))
async def test_one_among_others(
    quiet_installation: Installation, monkeypatch: pytest.MonkeyPatch, compression: str | None
) -> None:
    installation = quiet_installation
    facts = [project("acme", f"p{number}") for number in range(5)]
    for place in (0, 2, 3):
        facts[place] = _with_foreign_header(facts[place])
    await _send_in_one_batch(installation, monkeypatch, facts, compression)
    commands = [_with_foreign_header(account("acme", "lost")), account("acme", "main")]
    await _send_in_one_batch(installation, monkeypatch, [profile("acme")], compression)
    await _send_in_one_batch(installation, monkeypatch, commands, compression)
    worker = await installation.start()

    found = await exactly_published(installation)
    letters = dead_letters(found)
    assert sorted((letter["topic"].removeprefix(installation.prefix), letter["offset"]) for letter in letters) == [
        ("admin-commands", 0),
        ("projects", 0),
        ("projects", 2),
        ("projects", 3),
    ]
    for letter in letters:
        assert letter["reason"] == DeadLetterReason.UNDECODABLE
        assert letter["headers"] == [{"name": "ce_odd\\xff\\xfe", "value": b64encode(b"value").decode()}]
    answered = results(found)
    assert answered["create-main"]["outcome"] == "Applied"
    assert "create-lost" not in answered

    whopays = whopays_of(installation)
    shown = (await whopays("dead-letters", "list", "--json")).expect(0).out
    assert "Undecodable" in shown
    assert "ce_odd\\xff\\xfe" in (await whopays("dead-letters", "show", "1")).expect(0).out
    refused = await whopays("dead-letters", "redrive", "1")
    assert "name that is not UTF-8" in refused.expect(1).err
    assert await worker.stop() == 0


def test_the_bytes_are_kept() -> None:
    name = header_name(_FOREIGN)
    assert header_name_bytes(name) == _FOREIGN
    assert shown_header_name(name) == "ce_odd\\xff\\xfe"
    assert shown_header_name("größe") == "größe"


@pytest.mark.parametrize(
    ("value", "reason"),
    ((b"{}", DeadLetterReason.UNDECODABLE), (b'{"a": "4111111111111111"}', DeadLetterReason.CARD_NUMBER)),
)
def test_what_is_read_of_it(value: bytes, reason: DeadLetterReason) -> None:
    with pytest.raises(Unanswerable) as refused:
        attributes_and_data(record(value, ((header_name(_FOREIGN), None),)), 1000)
    assert refused.value.reason is reason
    assert attributes_and_data(record(b"{}", (("größe", None),)), 1000)
