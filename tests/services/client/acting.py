"""Topics without a whopays behind them, and events written by hand: for what a running one cannot be made to say."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support.waiting import until
from whopays_client import Connection

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Written = tuple[bytes | None, bytes | None]


def at(minutes: float) -> datetime:
    """Return an instant, some minutes after the beginning of 2026."""
    return BEGIN + timedelta(minutes=minutes)


def said(instant: datetime) -> str:
    """Write an instant as whopays does."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def changed(
    project: str, sequence: int, account: str | None, minutes: float, *, before: tuple[str, float] | None = None
) -> Written:
    """Return a `BindingChanged` of acme: `account` pays from then on; before it did `before`, since its own minutes."""
    current = {
        "bindingId": f"acme/{project}/{sequence}", "account": account, "establishedAt": said(at(minutes)),
        "currencyCode": "EUR", "paymentTerms": {"netDays": 30},
    }  # fmt: skip
    previous = before and {
        "bindingId": f"acme/{project}/{sequence - 1}", "account": before[0], "establishedAt": said(at(before[1])),
        "endedAt": said(at(minutes)),
    }  # fmt: skip
    change = "Released" if account is None else "Superseded" if before else "Bound"
    data = {
        "organization": "acme", "project": project, "change": change,
        "current": current if account else None, "previous": previous, "cause": {"by": "alice", "commandId": "c"},
        "laterMember": {"is": "ignored"},
    }  # fmt: skip
    subject = f"acme/{project}"
    return subject.encode(), event(
        "BindingChanged", f"7-{sequence}", subject, data, time=said(at(minutes)), sequence=f"{sequence:020d}"
    )


def story(project: str, count: int, *, first: int = 1) -> list[Written]:
    """Return `count` changes of a project: account a1 from minute 1, a2 from minute 2 …"""
    return [
        changed(project, number, f"a{number}", number, before=(f"a{number - 1}", number - 1) if number > 1 else None)
        for number in range(first, first + count)
    ]


def notice(project: str, position: int) -> Written:
    """Return a notice, the `position`-th event of its shard."""
    data = {
        "organization": "acme", "project": project, "account": "main", "kind": "AccountSuspended",
        "reason": "PaymentFailure", "message": "",
    }  # fmt: skip
    subject = f"acme/{project}"
    return subject.encode(), event("ProjectBillingNotice", f"7-{position}", subject, data, time=said(at(position)))


def watermark(minutes: float, offsets: Sequence[int]) -> Written:
    """Return a `Watermark`."""
    until = said(at(minutes))
    data = {"closedUntil": until, "offsets": list(offsets)}
    return b"bindings", event("Watermark", f"watermark-{until}", "bindings", data, time=until)


def event(name: str, event_id: str, subject: str, data: dict[str, Any], **attributes: str) -> bytes:
    """Return an event as whopays writes it."""
    return orjson.dumps(
        {
            "specversion": "1.0", "id": event_id, "source": "/whopays/test", "type": f"io.milo.billing.{name}.v1",
            "subject": subject, **attributes, "data": data,
        }
    )  # fmt: skip


def replayed(name: str, partitions: Sequence[Sequence[Written]], minutes: float) -> list[list[Written]]:
    """Return what stands on each partition of a replay: the records, and the marker that ends it."""
    total = sum(map(len, partitions))
    return [[*records, _marker(name, number, records, total, minutes)] for number, records in enumerate(partitions)]


def _marker(name: str, number: int, records: Sequence[Written], total: int, minutes: float) -> Written:
    digest = bytes(32)
    for key, value in records:
        assert value is not None
        chained = digest + (b"\xff" * 4 if key is None else len(key).to_bytes(4, "big") + key)
        digest = hashlib.sha256(chained + len(value).to_bytes(4, "big") + value).digest()
    ids = [orjson.loads(value or b"")["id"] for _, value in records]
    data = {
        "replay": name, "partition": number, "records": len(records), "totalRecords": total, "digest": digest.hex(),
        "firstId": ids[0] if ids else None, "lastId": ids[-1] if ids else None, "selection": {"latest": True},
        "until": said(at(minutes)),
    }  # fmt: skip
    key = f"_replay/{name}/{number}".encode()
    return key, event("ReplayCompleted", f"replay-{name}-{number}", name, data, time=said(at(minutes)))


async def make_topic(connection: Connection, name: str, partitions: int) -> None:
    """Make a topic, and wait until the broker knows it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=connection.bootstrap_servers)
    try:
        await admin.start()
        topic = connection.topic(name)
        await admin.create_topics([NewTopic(topic, partitions, 1)])

        async def is_led() -> bool:
            described = {one["topic"]: one["partitions"] for one in await admin.describe_topics()}
            return len([one for one in described.get(topic, ()) if one["leader"] >= 0]) == partitions

        await until(is_led, f"the topic {topic}")
    finally:
        await admin.close()


async def write(
    connection: Connection, name: str, records: Iterable[Written], *, partition: int = 0, replay: str | None = None
) -> int:
    """Write records to a partition, in a transaction as the relay does, and return the offset after them all."""
    producer = AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap_servers, transactional_id=f"{connection.topic(name)}-acting"
    )
    headers = [("whopays-replay", replay.encode())] if replay else []
    end = 0
    try:
        await producer.start()
        async with producer.transaction():
            for key, value in records:
                put = await producer.send_and_wait(
                    connection.topic(name), value, key=key, partition=partition, headers=headers
                )
                # The record that ends the transaction has an offset too.
                end = put.offset + 2
    finally:
        await producer.stop()
    return end


async def act_replay(
    connection: Connection, name: str, partitions: Sequence[Sequence[Written]], minutes: float
) -> None:
    """Make a replay of these records."""
    await make_topic(connection, f"replay.{name}", len(partitions))
    for number, records in enumerate(replayed(name, partitions, minutes)):
        await write(connection, f"replay.{name}", records, partition=number, replay=name)
