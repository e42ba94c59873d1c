"""`whopays verify --manifest`: damage of each kind to a replay's topic, its markers and its manifest is found."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import NewTopic
from sqlalchemy import text

from audit.replays import audited_replay
from cli.terminal.output import count_of
from db.audits import last_audit
from tests.services.replaying.telling import records_of
from tests.support.command_line import whopays_of
from tests.support.installations import Installation
from tests.support.waiting import until
from workers.topics.cluster import administration, describe

Wire = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]


def _replaced(records: list[Wire], index: int, **changed: object) -> list[Wire]:
    key, value, headers = records[index]
    said = {"key": key, "value": value, "headers": headers, **changed}
    return [*records[:index], (said["key"], said["value"], said["headers"]), *records[index + 1 :]]  # type: ignore[list-item]


def _marker(records: list[Wire], /, **changed: object) -> list[Wire]:
    event = orjson.loads(records[-1][1] or b"")
    event["data"] |= changed
    return _replaced(records, len(records) - 1, value=orjson.dumps(event))


DAMAGES: dict[str, tuple[Callable[[list[Wire]], list[Wire]], str]] = {
    "nothing": (lambda records: records, ""),
    "missing": (lambda records: records[:3] + records[4:], "is missing"),
    "the first missing": (lambda records: records[1:], "is missing"),
    "doubled": (lambda records: [*records[:5], records[4], *records[5:]], "is duplicated"),
    "doubled later": (lambda records: [*records[:7], records[2], *records[7:]], "is duplicated"),
    "swapped": (lambda records: [*records[:2], records[3], records[2], *records[4:]], "is out of order"),
    "moved to the end": (lambda records: [*records[:2], *records[3:-1], records[2], records[-1]], "is out of order"),
    "another value": (
        lambda records: _replaced(records, 2, value=(records[2][1] or b"").replace(b'"data":{', b'"data":{ ')),
        "the value of",
    ),
    "another key": (lambda records: _replaced(records, 2, key=b"acme/other"), "the key of"),
    "no header": (lambda records: _replaced(records, 2, headers=records[2][2][:1]), "the headers of"),
    "another header": (lambda records: _replaced(records, 2, headers=[*records[2][2], ("x", b"y")]), "the headers of"),
    "of another replay": (
        lambda records: _replaced(records, 2, headers=[*records[2][2][:-1], ("whopays-replay", b"other")]),
        "to another replay, other",
    ),
    "one more of another replay": (
        lambda records: [*records[:4], (records[1][0], records[1][1], [("whopays-replay", b"other")]), *records[4:]],
        "to another replay, other",
    ),
    "no event": (lambda records: [*records[:4], (b"k", b"v", []), *records[4:]], "does not belong there"),
    "a marker that lies about its count": (lambda records: _marker(records, records=1), "its marker is wrong: records"),
    "a marker that lies about its digest": (
        lambda records: _marker(records, digest="00"),
        "its marker is wrong: digest",
    ),
    "a marker that lies about the end": (
        lambda records: _marker(records, until="2020-01-01T00:00:00.000000Z"),
        "its marker is wrong: until",
    ),
    "no marker": (lambda records: records[:-1], "its marker is missing"),
    "two markers": (lambda records: [*records, records[-1]], "its marker is duplicated"),
    "something after the marker": (lambda records: [*records, records[0]], "is duplicated"),
}


async def _damaged(installation: Installation, name: str, records: list[Wire]) -> None:
    """Put other records in the place of those of a topic of one partition."""
    topic = f"{installation.prefix}replay.{name}"
    async with administration(installation.settings) as client:
        await client.delete_topics([topic])

        async def is_gone() -> bool:
            return topic not in (await describe(client, [topic])).topics

        await until(is_gone, "the deletion")
        await client.create_topics([NewTopic(topic, 1, 1)])

        async def is_there() -> bool:
            return topic in (await describe(client, [topic])).topics

        await until(is_there, "the creation")
    async with AIOKafkaProducer(bootstrap_servers=installation.kafka_bootstrap_servers) as producer:
        for key, value, headers in records:
            await producer.send_and_wait(topic, key=key, value=value, headers=list(headers), partition=0)


def _wire(record: ConsumerRecord) -> Wire:
    return record.key, record.value, record.headers


async def test_damage_of_every_kind(told: Installation, tmp_path: Path) -> None:
    whopays = whopays_of(told)
    file = tmp_path / "manifest.json"
    words = ("replay", "start", "v1", "--partitions=1", "--organization=acme", "--json")
    file.write_text((await whopays(*words)).expect(0).out)
    (records,) = await records_of(told, f"{told.prefix}replay.v1")
    whole = [_wire(record) for record in records]
    for kind, (damage, words_of_it) in DAMAGES.items():
        await _damaged(told, "v1", damage(whole))
        ran = await whopays("verify", "--manifest", str(file), "--json")
        assert ran.status == (1 if words_of_it else 0), (kind, ran.out, ran.err, ran.fault)
        troubles = [orjson.loads(line)["trouble"] for line in ran.out.splitlines()]
        assert any(words_of_it in one for one in troubles) or not words_of_it, (kind, troubles)
    await _damaged(told, "v1", whole)


@pytest.mark.parametrize("member", ("until", "records", "digest", "selection", "target", "begunAt", "shards", "extra"))
async def test_an_altered_manifest(told: Installation, tmp_path: Path, member: str) -> None:
    whopays = whopays_of(told)
    words = ("replay", "start", "v2", "--partitions=2", "--organization=globex", "--json")
    manifest = (await whopays(*words)).expect(0).document
    altered = json.loads(json.dumps(manifest))
    match member:
        case "digest":
            altered["partitions"][1]["digest"] = "00" * 32
        case "selection":
            altered["selection"] = {}
        case "shards":
            altered["shards"][0]["last"] = 1
        case "records":
            altered["records"] += 1
        case "target":
            altered["target"] = "other"
        case "extra":
            altered["more"] = True
        case _:
            altered[member] = "2020-01-01T00:00:00.000000Z"
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(altered))
    ran = (await whopays("verify", "--manifest", str(file))).expect(1)
    name = {"digest": "partitions", "extra": "more"}.get(member, member)
    assert f"the manifest is altered: {name} is not the database's" in ran.out
    file.write_text(json.dumps(manifest, indent=7))
    (await whopays("verify", "--manifest", str(file))).expect(0)


async def test_a_manifest_is_compared_to_the_letter(told: Installation, tmp_path: Path) -> None:
    whopays = whopays_of(told)
    words = ("replay", "start", "v9", "--partitions=2", "--organization=globex", "--json")
    manifest = (await whopays(*words)).expect(0).document
    records, written = manifest["records"], json.dumps(manifest)
    file = tmp_path / "manifest.json"
    for said in (f"{records}.0", f"{10**30}"):
        file.write_text(written.replace(f'"records": {records}, "types"', f'"records": {said}, "types"'))
        assert "the manifest is altered: records is" in (await whopays("verify", "--manifest", str(file))).expect(1).out


async def test_a_replay_that_is_forgotten(told: Installation, tmp_path: Path) -> None:
    """Its manifest is compared with the log alone: the topic of its name may be another replay's by now."""
    whopays = whopays_of(told)
    file, topic = tmp_path / "manifest.json", f"{told.prefix}replay.v4"
    file.write_text((await whopays("replay", "start", "v4", "--partitions=2", "--json")).expect(0).out)
    (await whopays("replay", "forget", "v4")).expect(0)

    async def is_gone() -> bool:
        async with administration(told.settings) as client:
            return topic not in (await describe(client, [topic])).topics

    await until(is_gone, "the removal")
    (await whopays("verify", "--manifest", str(file))).expect(0)
    other = (await whopays("replay", "start", "v5", f"--topic={topic}", "--partitions=1", "--json")).expect(0).document
    before = await records_of(told, topic)
    (await whopays("verify", "--manifest", str(file))).expect(0)
    (await whopays("replay", "forget", "v4")).expect(0)
    assert [[_wire(one) for one in some] for some in await records_of(told, topic)] == [
        [_wire(one) for one in some] for some in before
    ]

    document, steps = orjson.loads(file.read_bytes()), list[tuple[str, int, int]]()

    async def troubles(said: object) -> list[str]:
        found = audited_replay(told.settings, told.engine, said, lambda *step: steps.append(step))
        return [one.trouble async for one in found]

    assert await troubles(document) == []
    assert steps == sorted(steps)
    assert steps[-1] == ("replay", steps[-1][2], steps[-1][2]), "all that was to be looked at"
    (trouble,) = await troubles(document | {"name": "v99"})
    assert trouble.endswith(": this database knows no such replay")
    assert await troubles(other) == []
    async with administration(told.settings) as client:
        await client.delete_topics([topic])
        await until(is_gone, "the removal")
        assert await troubles(other) == ["the topic is missing"]
        await client.create_topics([NewTopic(topic, 2, 1)])

        async def is_there() -> bool:
            return topic in (await describe(client, [topic])).topics

        await until(is_there, "the creation")
    assert await troubles(other) == ["the topic has 2 partitions, the replay 1"]
    async with told.engine.begin() as connection:
        await connection.execute(text("UPDATE replays SET state = 'Stopped', manifest = NULL WHERE name = 'v5'"))
    (trouble,) = await troubles(other)
    assert trouble.endswith(": the replay is not done")
    async with told.engine.begin() as connection:
        await connection.execute(text("DELETE FROM replays WHERE name = 'v5'"))


async def test_what_is_no_manifest(told: Installation, tmp_path: Path) -> None:
    whopays = whopays_of(told)
    file = tmp_path / "manifest.json"
    for words in ("nothing", "{}", "[]"):
        file.write_text(words)
        assert "whopays replay show" in (await whopays("verify", "--manifest", str(file))).expect(2).err


async def test_a_log_that_was_altered(told: Installation, tmp_path: Path) -> None:
    whopays = whopays_of(told)
    words = ("replay", "start", "v3", "--partitions=1", "--organization=initech", "--json")
    file = tmp_path / "manifest.json"
    file.write_text((await whopays(*words)).expect(0).out)
    change = (
        "UPDATE log SET value = convert_to(replace(convert_from(value, 'UTF8'), {}), 'UTF8') WHERE boundary = 'initech'"
    )
    async with told.engine.begin() as connection:
        await connection.execute(text(change.format("'\"data\"\\:{', '\"data\"\\:{ '")))
    found = (await whopays("verify", "--manifest", str(file))).expect(1).out
    async with told.engine.begin() as connection:
        await connection.execute(text(change.format("'\"data\"\\:{ ', '\"data\"\\:{'")))
    assert "is altered" in found
    assert "is not what the log gives" in found
    *each, total = found.splitlines()
    assert total == count_of(len(each), "broken promise")
    assert (await whopays("verify", "--manifest", str(file), WHOPAYS_ENCRYPTION_KEYS="{}")).expect(0).err == ""
    async with told.engine.connect() as connection:
        assert await last_audit(connection) is None, "it is about a replay alone"
