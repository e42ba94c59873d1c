"""Every kind of selection, beside a reference that is computed from the rows of the log."""

import time
from datetime import timedelta
from typing import Any

import orjson
from aiokafka import ConsumerRecord

from schemas.instants import format_instant, parse_instant
from tests.services.replaying import reference
from tests.services.replaying.reference import Logged
from tests.services.replaying.telling import log_of, records_of
from tests.support.command_line import whopays_of
from tests.support.installations import Installation

_counter = iter(range(1, 1000))


async def _replayed(installation: Installation, partitions: int, **selection: Any) -> tuple[dict[str, Any], list[Any]]:
    name = f"r{next(_counter)}"
    options = [f"--partitions={partitions}"]
    for option, value in selection.items():
        if value is True:
            options.append(f"--{option}")
        else:
            values = value if isinstance(value, list | tuple) else [value]
            options += [f"--{option.strip('_').replace('types', 'type')}={one}" for one in values]
    ran = (await whopays_of(installation)("replay", "start", name, *options, "--json")).expect(0)
    return ran.document, await records_of(installation, f"{installation.prefix}replay.{name}")


async def _as_expected(installation: Installation, partitions: int, **selection: Any) -> int:
    manifest, found = await _replayed(installation, partitions, **selection)
    wanted = reference.expected(await log_of(installation), partitions, **{**selection, "until": manifest["until"]})
    assert _without_work(manifest) == _manifest(installation, manifest, wanted)
    for number, (records, rows) in enumerate(zip(found, wanted, strict=True)):
        assert [(one.key, one.value) for one in records[:-1]] == [(row.key, row.value) for row in rows], selection
        for one in records[:-1]:
            assert list(one.headers) == reference.headers(one.value, manifest["name"])
        _assert_marked(installation, manifest, number, records[-1])
        _assert_sent_by_now(manifest, records)
    return sum(map(len, wanted))


def _without_work(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of the replay, without when it was worked on and what was asked for."""
    said = {name: value for name, value in manifest.items() if name not in ("begunAt", "finishedAt", "selection")}
    assert parse_instant(manifest["begunAt"]) <= parse_instant(manifest["finishedAt"])
    # Which positions were looked at is up to whoever looks: all that gave something are among them.
    said["shards"] = {one["shard"]: one for one in said["shards"] if (one["first"], one["last"]) != (None, None)}
    return said


def _manifest(installation: Installation, manifest: dict[str, Any], wanted: list[list[Logged]]) -> dict[str, Any]:
    rows = [row for partition in wanted for row in partition]
    shards = {one["shard"]: one for one in manifest["shards"]}
    assert len(shards) == len(manifest["shards"])
    looked_at = {shard: shards[shard] for shard in {row.shard for row in rows}}
    assert all(looked_at[row.shard]["first"] <= row.position <= looked_at[row.shard]["last"] for row in rows)
    return {
        "name": manifest["name"],
        "state": "Done",
        "target": f"{installation.prefix}replay.{manifest['name']}",
        "until": manifest["until"],
        "availableFrom": None,
        "records": len(rows),
        "types": reference.types(rows),
        "partitions": [
            {
                "partition": number,
                "records": len(partition),
                "digest": reference.digest(partition),
                "firstId": partition[0].event["id"] if partition else None,
                "lastId": partition[-1].event["id"] if partition else None,
            }
            for number, partition in enumerate(wanted)
        ],
        "shards": looked_at,
    }


def _assert_marked(installation: Installation, manifest: dict[str, Any], number: int, record: ConsumerRecord) -> None:
    """The marker says of its partition what the manifest says, and is a control record."""
    name, marker = manifest["name"], orjson.loads(record.value)
    assert record.key == f"_replay/{name}/{number}".encode()
    assert list(record.headers) == [("content-type", b"application/cloudevents+json")]
    assert marker.pop("data") == {
        "replay": name,
        "totalRecords": manifest["records"],
        "selection": manifest["selection"],
        "until": manifest["until"],
        **manifest["partitions"][number],
    }
    assert manifest["begunAt"] <= marker.pop("time") <= manifest["finishedAt"]
    assert marker.pop("source") == f"/whopays/{installation.settings.installation}"
    assert marker == reference.marker_attributes(name, number)


def _assert_sent_by_now(manifest: dict[str, Any], records: list[ConsumerRecord]) -> None:
    """The records' timestamps are of when they were sent, not of what they tell."""
    begun = parse_instant(manifest["begunAt"]).timestamp() * 1000
    assert all(int(begun) <= one.timestamp <= time.time() * 1000 for one in records)


async def test_everything(told: Installation) -> None:
    assert await _as_expected(told, 12) > 60
    assert await _as_expected(told, 1) > 60


async def test_conditions_one_by_one(told: Installation) -> None:
    log = await log_of(told)
    times = sorted(row.event["time"] for row in log)
    early, late = times[len(times) // 4], times[3 * len(times) // 4]
    # The shards of the organizations: where dead letters went is a matter of chance, and nobody asks for them here.
    last = {row.shard: row.position for row in log if row.type == "BindingChanged"}
    ids = [f"{shard}-{position // 2}" for shard, position in list(last.items())[:2]]
    for selection in (
        {"organization": "acme"},
        {"organization": "acme", "project": "web"},
        {"organization": "acme", "account": "spare"},
        {"organization": "globex", "project": "web", "account": "main"},
        {"organization": "initech", "project": "lab"},
        {"types": ["BindingChanged"]},
        {"types": ["AccountPhaseChanged", "io.milo.billing.CommandCompleted.v1"]},
        {"types": ["DeadLetter"]},
        {"types": ["DeadLetter", "ProjectBillingNotice"]},
        {"from_": early},
        {"until": late},
        {"from_": early, "until": late},
        {"after": ids},
        {"latest": True},
        {"latest": True, "until": early},
        {"latest": True, "organization": "acme"},
        {"latest": True, "organization": "acme", "account": "main"},
        {"latest": True, "types": ["AccountPhaseChanged"]},
        {"latest": True, "types": ["BindingChanged"], "until": late},
    ):
        assert await _as_expected(told, 3, **selection) > 0 or "AccountPhaseChanged" in str(selection), selection


async def test_nothing_is_selected_at_the_boundaries(told: Installation) -> None:
    """What can match, and matches nothing, is a replay without records: complete, with a marker in each partition."""
    log = await log_of(told)
    first, last = min(row.event["time"] for row in log), max(row.event["time"] for row in log)
    heads = {row.shard: row.event["id"] for row in log}
    for selection, records in (
        ({"from_": first, "until": _later(first)}, 1),
        ({"until": first}, 0),
        ({"until": "0001-01-01T00:00:00Z"}, 0),
        ({"latest": True, "until": first}, 0),
        ({"latest": True, "until": _later(first)}, None),
        ({"from_": _later(last)}, 0),
        ({"from_": "1999-01-01T00:00:00.000000Z", "until": "2000-01-01T00:00:00.000000Z"}, 0),
        ({"after": list(heads.values())}, 0),
        ({"after": [f"{shard}-0" for shard in heads], "until": first}, 0),
        ({"after": list(heads.values())[:1], "until": first}, 0),
    ):
        found = await _as_expected(told, 2, **selection)
        assert records is None or found == records, selection


def _later(instant: str) -> str:
    return format_instant(parse_instant(instant) + timedelta(microseconds=1))
