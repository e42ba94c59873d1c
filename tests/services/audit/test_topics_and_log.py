"""Damage to topics, exported logs, and an audit under load."""

import asyncio
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from sqlalchemy import text

from audit.findings import Promise
from audit.watermarks import read_watermarks
from cli.terminal.output import count_of
from db.audits import last_audit
from db.shards import all_heads
from schemas.outgoing import REPLAY_HEADER
from schemas.topics import OUTPUT_TOPICS, Topic
from schemas.watermarks import WATERMARK_KEY, Watermark
from tests.services.audit.auditing import findings_of
from tests.support.command_line import whopays_of
from tests.support.installations import Installation, free_port
from tests.support.kafka import exactly_published, published, send
from tests.support.messages import account, bind, profile, project
from tests.support.metrics import declared_of, told_families
from tests.support.processes import DIE_WITH_PARENT
from tests.support.waiting import until
from workers.runtime.roles import AUDIT


async def _told(installation: Installation) -> None:
    await send(installation, [profile("acme"), project("acme", "web"), account("acme", "main"), account("acme", "b")])
    await exactly_published(installation)
    await send(installation, [bind("acme", "web", ("main", "b")[number % 2], f"c{number}") for number in range(6)])
    await exactly_published(installation)


async def _publish(installation: Installation, topic: Topic, partition: int, **record: object) -> None:
    async with AIOKafkaProducer(bootstrap_servers=installation.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(f"{installation.prefix}{topic}", partition=partition, **record)


async def test_dead_letters_of_an_organization_are_sound(installation: Installation) -> None:
    # A record that could be read belongs to its organization's shard, any other to its partition's.
    conflicts = [project(name, "web", state="Inactive") for name in ("acme", "globex", "initech")]
    await send(installation, [project(name, "web") for name in ("acme", "globex", "initech")])
    await send(installation, [*conflicts, project("acme", "web", state="Flying")])
    await exactly_published(installation)
    assert await findings_of(installation) == []


async def test_what_is_on_the_topics_and_should_not_be(installation: Installation) -> None:
    await _told(installation)
    assert await findings_of(installation) == []
    one = next(one for one in await published(installation, Topic.BINDINGS))
    same = {"key": one.key, "headers": list(one.headers)}
    replayed = [*one.headers, (REPLAY_HEADER, b"again")]
    await _publish(installation, Topic.BINDINGS, one.partition, value=one.value, key=one.key, headers=replayed)
    await _publish(installation, Topic.BINDINGS, one.partition, value=one.value, **same)
    await _publish(installation, Topic.BINDINGS, one.partition, value=one.value + b" ", **same)
    elsewhere = (one.partition + 1) % installation.settings.topic_partitions
    await _publish(installation, Topic.BINDINGS, elsewhere, value=one.value, **same)
    await _publish(installation, Topic.NOTICES, 0, value=one.value, **same)
    await _publish(installation, Topic.NOTICES, 0, value=b'{"id":"7-123456"}', key=b"acme")
    for strange in (b"{}", b'{"id":"%d-1"}' % installation.settings.shards):
        await _publish(installation, Topic.NOTICES, 0, value=strange, key=b"acme")
    found = await findings_of(installation)
    for words in (
        "was published before",
        "comes after a later one",
        "differs from",
        "belongs on",
        "is not in the log",
        "is in the wrong partition for its key",
    ):
        assert any(words in one.trouble for one in found if one.promise is Promise.TOPICS), (words, found)
    assert len([one for one in found if one.trouble == "it is not an event of this installation"]) == 2


async def test_what_should_be_on_the_topics_and_is_not(installation: Installation) -> None:
    await _told(installation)
    before = await published(installation, Topic.COMMAND_RESULTS)
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.kafka_bootstrap_servers)
    try:
        await admin.start()
        partitions = range(installation.settings.topic_partitions)
        # Records of compacted topics cannot be deleted.
        name = f"{installation.prefix}{Topic.COMMAND_RESULTS}"
        await admin.delete_records({TopicPartition(name, number): RecordsToDelete(-1) for number in partitions})
    finally:
        await admin.close()
    told: list[tuple[str, int, int]] = []
    found = await findings_of(installation, lambda *step: told.append(step))
    whole = [step for step in told if step[0] == "topics"]
    assert whole[-1][1:] == (await _left(installation),) * 2, "it counts what there is to read, and reads it all"
    assert all(0 <= done <= of_all for _, done, of_all in told)
    async with installation.engine.connect() as connection:
        rows = sum(head.position for head in (await all_heads(connection)).values())
    heard = [step[1:] for step in told if step[0] == "log"]
    assert heard == sorted(heard), "what was heard is never taken back"
    assert {0, *(done for done, _ in heard)} == {*range(rows + 1)}, "each row of the log"
    assert {of_all for _, of_all in heard} == {rows}
    assert len([one for one in found if "does not hold it" in one.trouble]) == len(before) > 6
    assert {one.promise for one in found} == {Promise.TOPICS}


async def _left(installation: Installation) -> int:
    """Return how many offsets of the output topics are not deleted yet."""
    async with AIOKafkaConsumer(bootstrap_servers=installation.kafka_bootstrap_servers) as consumer:
        partitions = [
            TopicPartition(f"{installation.prefix}{topic}", number)
            for topic in OUTPUT_TOPICS
            for number in range(installation.settings.topic_partitions)
        ]
        beginnings = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
    return int(sum(ends.values()) - sum(beginnings.values()))


async def test_an_audit_while_everything_is_in_motion(installation: Installation) -> None:
    await _told(installation)

    async def move() -> None:
        for turn in range(8):
            names = [f"p{turn}-{number}" for number in range(20)]
            await send(installation, [project(f"org-{turn}", name) for name in names])
            await send(
                installation, [bind("acme", "web", ("main", "b")[turn % 2], f"m{turn}-{number}") for number in "ab"]
            )

    moving = asyncio.create_task(move())
    found = []
    while not moving.done():
        found += await findings_of(installation)
    await moving
    assert found == []


async def test_verify_and_an_exported_log(installation: Installation, tmp_path: Path) -> None:
    await _told(installation)
    whopays = whopays_of(installation)
    verified = (await whopays("verify")).expect(0)
    assert (verified.out, verified.err) == ("Every promise holds.\n", "")
    reading = f"{installation.settings.database_url}?options=-c%20default_transaction_read_only%3Don"
    verified = (await whopays("verify", WHOPAYS_DATABASE_URL=reading, WHOPAYS_ENCRYPTION_KEYS="{}")).expect(0)
    assert (verified.out, verified.err.splitlines()) == ("Every promise holds.\n", [
        "The verdict was not kept: this role of the database may only read.",
        "Encrypted data was not decrypted: WHOPAYS_ENCRYPTION_KEYS is not set.",
    ])  # fmt: skip
    assert "belongs to the installation" in (await whopays("verify", WHOPAYS_INSTALLATION="other")).expect(2).err
    file = tmp_path / "log.jsonl"
    (await whopays("export-log", str(file))).expect(0)
    assert "holds" in (await whopays("verify", "--offline", str(file))).expect(0).out
    lines = file.read_bytes().splitlines(keepends=True)
    damages = {
        "the log has a hole": lines[:3] + lines[4:],
        "its head says": lines[:-1],
        "its hash does not match": [*lines[:3], lines[3].replace(b'"acme', b'"bcme', 1), *lines[4:]],
        "it is not a row of a log": [*lines, b"[1, 2]\n"],
    }
    for words, damaged in damages.items():
        file.write_bytes(b"".join(damaged))
        found = (await whopays("verify", "--offline", str(file), "--json")).expect(1).out
        assert any(words in orjson.loads(line)["trouble"] for line in found.splitlines()), (words, found)
        *each, total = (await whopays("verify", "--offline", str(file))).expect(1).out.splitlines()
        assert (len(each), total) == (found.count("\n"), count_of(len(each), "broken promise"))
    file.write_bytes(b"nothing\n")
    assert "whopays export-log" in (await whopays("verify", "--offline", str(file))).expect(2).err


async def test_watermarks_that_are_not_true(installation: Installation) -> None:
    await _told(installation)
    last = max(one.event["time"] for one in await published(installation, Topic.BINDINGS))

    async def closes() -> Watermark | None:
        told = [Watermark.parsed(one.value) for one in await read_watermarks(installation.settings)]
        return told[-1] if told and told[-1].closed_until >= datetime.fromisoformat(last) else None

    told = await until(closes, "a watermark that closes all")
    for worker in installation.workers:
        assert await worker.stop() == 0
    assert await findings_of(installation) == []
    now, later = datetime.now(UTC), timedelta(milliseconds=1)
    lies = {
        "does not stand before the offset": (Watermark(closed_until=now, offsets=(0,) * len(told.offsets)), now),
        "says something else": (Watermark(closed_until=now, offsets=told.offsets), now),
        "falls behind": (Watermark(closed_until=now - later, offsets=told.offsets), now),
        "it closes instants after": (Watermark(closed_until=now + later, offsets=told.offsets), now),
        "but the watermark says": (Watermark(closed_until=now + 2 * later, offsets=(10**6,)), now + 2 * later),
    }
    for watermark, written_at in lies.values():
        value = watermark.rendered(written_at, installation.settings.source)
        await _publish(installation, Topic.WATERMARKS, 0, key=WATERMARK_KEY, value=value)
    await _publish(installation, Topic.WATERMARKS, 0, key=WATERMARK_KEY, value=b"{}")
    found = await findings_of(installation)
    for words in (*lies, "it is no watermark"):
        assert any(words in one.trouble for one in found if one.promise is Promise.WATERMARKS), (words, found)
    assert any("the next could fall" in one.trouble for one in found if one.promise is Promise.POSITIONS)


@pytest.mark.parametrize("moved", ("position", "hash"))
async def test_a_position_that_is_not_where_the_log_is(installation: Installation, moved: str) -> None:
    await _told(installation)
    for worker in installation.workers:
        assert await worker.stop() == 0
    topic = f"{installation.prefix}{Topic.RELAY_POSITIONS}"
    async with AIOKafkaProducer(bootstrap_servers=installation.kafka_bootstrap_servers) as producer:
        async with installation.engine.connect() as connection:
            heads = await all_heads(connection)
        shard, head = max(heads.items(), key=lambda item: item[1].position)
        position = {"shard": shard, "position": head.position, "hash": head.hash.hex()}
        position |= {"position": head.position - 1} if moved == "position" else {"hash": "00"}
        await producer.send_and_wait(topic, partition=0, key=str(shard).encode(), value=orjson.dumps(position))
    found = [one.trouble for one in await findings_of(installation) if one.promise is Promise.POSITIONS]
    words = f"only {head.position - 1} is recorded as published" if moved == "position" else "with a hash that differs"
    assert any(words in one for one in found), found


async def test_watching(installation: Installation) -> None:
    await _told(installation)
    port = free_port()
    watching = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli", "verify", "--watch", "--every", "1"),
        env=installation.environment(WHOPAYS_METRICS_PORT=str(port)),
        preexec_fn=DIE_WITH_PARENT,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def broken() -> dict[str, float] | None:
        with suppress(OSError):
            text = await asyncio.to_thread(lambda: urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
            families = told_families(text)
            assert families.keys() == declared_of((AUDIT,))
            samples = families["whopays_broken_promises"].samples
            return {sample.labels["promise"]: sample.value for sample in samples} or None
        return None

    async def found() -> bool:
        return ((await broken()) or {}).get(Promise.PAYERS, 0) > 0

    try:
        assert await until(broken, "an audit") == dict.fromkeys(Promise, 0)
        async with installation.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE projects DISABLE TRIGGER USER"))
            await connection.execute(text("UPDATE projects SET number = number + 1"))
        await until(found, "the damage")
        async with installation.engine.connect() as connection:
            kept = await last_audit(connection)
        assert kept is not None
        assert kept.findings[Promise.PAYERS] > 0
        assert watching.returncode is None
        healthy = await whopays_of(installation)("health", WHOPAYS_METRICS_PORT=str(port))
        assert "audit: alive" in healthy.expect(0).out
        watching.terminate()
        assert await watching.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            watching.kill()
        await watching.wait()
