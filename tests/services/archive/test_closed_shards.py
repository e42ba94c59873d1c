"""What was said in shards that are closed since, by commands that are forgotten, is read from the archive as before."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from sqlalchemy import Row, text

from db.forgetting import forget_commands
from db.shards import all_heads
from embedded import Addresses
from tests.services.archive.small import rows_in_table, shrink, value_of
from tests.services.audit.auditing import findings_of
from tests.services.http.served import serving
from tests.services.replaying import reference
from tests.services.replaying.reference import Logged
from tests.services.replaying.telling import ORGANIZATIONS, close, log_of, records_of, say_much
from tests.support.command_line import whopays_of
from tests.support.installations import Installation, installed
from tests.support.kafka import exactly_published, send
from tests.support.messages import bind
from workers import archiving
from workers.archiving import Archiving
from workers.runtime.metrics import Metrics

_SHARDS = 48
_COMMANDS = text("SELECT organization, source, command_id, shard, position FROM inbox ORDER BY shard, position")


async def test_closed_shards_are_read_from_the_archive(
    services: Addresses, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "_TURN_SECONDS", -1.0)  # each turn is over as soon as it can be
    async with installed(services, template, roles=()) as made:
        await shrink(made.engine)
        worker = await made.start()
        await say_much(made)
        assert await worker.stop() == 0
        async with made.engine.connect() as connection:
            commands = (await connection.execute(_COMMANDS)).all()
        await _forget(made)
        await _go_on_in_other_shards(made)
        log = await log_of(made)
        there = await _archived(made, tmp_path)
        assert min(shard for shard, _ in await rows_in_table(made.engine)) >= _SHARDS
        await _results_are_found(there, tmp_path, commands, log)
        await _replays_are_what_the_log_gives(there, tmp_path, log)
        assert await findings_of(there) == []


async def _forget(made: Installation) -> None:
    """Forget the commands to one organization; those to others stay in the inbox."""
    async with made.engine.begin() as connection:
        heads = {shard: head.position for shard, head in (await all_heads(connection)).items()}
        assert await forget_commands(connection, {"acme": made.settings.shard_of("acme")}, heads, 1000) > 5
    assert await value_of(made.engine, "SELECT count(*) FROM inbox") > 5


async def _go_on_in_other_shards(made: Installation) -> None:
    done = (await whopays_of(made)("reshard", "7", "--yes", "--json")).expect(0).document
    made.settings = made.settings.model_copy(update={"shards": 7, "first_shard": done["firstShard"]})
    worker = await made.start()
    await send(made, [bind(name, "shop", "spare", f"later-{name}") for name in ORGANIZATIONS])
    await exactly_published(made)
    await close(made)
    assert await worker.stop() == 0


async def _archived(made: Installation, folder: Path) -> Installation:
    """Archive all that may go, as the role does, and return the installation as one that knows its archive."""
    where = {"archive_url": SecretStr(str(folder)), "archive_after_days": 0}
    there = replace(made, settings=made.settings.model_copy(update=where))
    metrics = Metrics()
    chore = Archiving(made.engine, there.settings, metrics)
    assert await chore.step()
    gone = await value_of(made.engine, "SELECT count(*) FROM archived_log")
    assert (chore.is_working, gone) == (True, 0), "the turn of others comes first"
    while await chore.step():
        pass
    assert not chore.is_working
    for name, told in (
        ("events", "SELECT sum(last_position - first_position + 1) FROM archived_log"),
        ("bytes", "SELECT sum(size) FROM archived_log"),
    ):
        counted = metrics.registry.get_sample_value(f"whopays_archived_{name}_total")
        assert counted == await value_of(made.engine, told) > 0
    return there


async def _results_are_found(
    there: Installation, folder: Path, commands: Sequence[Row[Any]], log: list[Logged]
) -> None:
    values = {(row.shard, row.position): row.value for row in log}
    async with serving(there.engine, there.settings) as here:
        for row in commands:
            path, asked = f"/v1/organizations/{row.organization}/results", {"id": row.command_id, "source": row.source}
            answered = await here.client.get(path, params=asked)
            assert answered.status_code == 200, answered.text
            (item,) = answered.json()["items"]
            assert (item["commandId"], item["eventId"]) == (row.command_id, f"{row.shard}-{row.position}")
    row = commands[0]
    said = await whopays_of(there)(
        "result", row.organization, row.command_id, "--json", WHOPAYS_ARCHIVE_URL=str(folder)
    )
    assert said.expect(0).document == [orjson.loads(values[row.shard, row.position])]


async def _replays_are_what_the_log_gives(there: Installation, folder: Path, log: list[Logged]) -> None:
    selections: dict[str, tuple[Sequence[str], dict[str, Any]]] = {
        "everything": ((), {}),
        "last": (("--latest",), {"latest": True}),
        "acme": (("--organization=acme",), {"organization": "acme"}),
    }
    for name, (words, selection) in selections.items():
        asked = ("replay", "start", name, "--partitions=2", *words)
        (await whopays_of(there)(*asked, WHOPAYS_ARCHIVE_URL=str(folder))).expect(0)
        found = await records_of(there, f"{there.prefix}replay.{name}")
        until = orjson.loads(found[0][-1].value)["data"]["until"]
        wanted = reference.expected(log, 2, until=until, **selection)
        assert sum(map(len, wanted)) > 10
        for records, rows in zip(found, wanted, strict=True):
            assert [(one.key, one.value) for one in records[:-1]] == [(row.key, row.value) for row in rows], name
