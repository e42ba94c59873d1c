"""Every kind of selection, beside a reference that is computed from the rows of the log."""

from typing import Any

import orjson

from schemas.outgoing import headers_of
from tests.services.replaying import reference
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
    name, total = manifest["name"], sum(map(len, wanted))
    for number, (records, rows) in enumerate(zip(found, wanted, strict=True)):
        assert [(one.key, one.value) for one in records[:-1]] == [(row.key, row.value) for row in rows], selection
        for one in records[:-1]:
            assert list(one.headers) == [*headers_of(one.value), ("whopays-replay", name.encode())]
        marker = orjson.loads(records[-1].value)
        assert records[-1].key == f"_replay/{name}/{number}".encode()
        ids = [f"{row.shard}-{row.position}" for row in rows]
        assert marker["data"] == {
            "replay": name,
            "partition": number,
            "records": len(rows),
            "totalRecords": total,
            "digest": reference.digest(rows),
            "firstId": ids[0] if ids else None,
            "lastId": ids[-1] if ids else None,
            "selection": manifest["selection"],
            "until": manifest["until"],
        }
        assert (marker["id"], marker["subject"]) == (f"replay-{name}-{number}", name)
        assert list(records[-1].headers) == [("content-type", b"application/cloudevents+json")]
        assert manifest["partitions"][number]["digest"] == marker["data"]["digest"]
    assert manifest["records"] == total == sum(manifest["types"].values())
    return total


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
