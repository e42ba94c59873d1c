"""An installation gets other numbers of shards under load: all is published and answered once, as if nothing was."""

import time
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.faults.checking import all_is_well
from tests.faults.judge import is_published
from tests.faults.load import Load, loaded
from tests.faults.recovering import flows
from tests.support.command_line import whopays_of
from tests.support.installations import Installation
from tests.support.waiting import until
from workers.runtime.roles import BATCH_ROLES, Role


@pytest.mark.chaos
async def test_fewer_shards_then_more(quiet_installation: Installation, tmp_path: Path) -> None:
    """While senders go on: what they send waits in its topics."""
    installation = quiet_installation
    async with loaded(installation, rate=60) as load:
        await _works_a_while(load)
        for shards in (4, 7):
            await _reshard(installation, shards)
            await _works_a_while(load)
        await installation.start()
    await all_is_well(load)
    await _is_told_again(installation, tmp_path)


async def _works_a_while(load: Load) -> None:
    """Do as docs/operations.md says before the shards are changed."""
    installation = load.installation
    workers = await installation.start(*BATCH_ROLES)
    relay = await installation.start(Role.RELAY)
    await flows(load)
    assert await workers.stop() == 0
    await until(lambda: is_published(load), "the relay")
    assert await relay.stop() == 0


async def _reshard(installation: Installation, shards: int) -> None:
    began = time.monotonic()
    done = (await whopays_of(installation)("reshard", str(shards), "--yes", "--json")).expect(0).document
    assert (done["isNew"], done["shards"]) == (True, shards)
    print(f"{shards} shards from {done['beginsAfter']} on: {time.monotonic() - began:.2f} s")
    again = (await whopays_of(installation)("reshard", str(shards), "--yes", "--json")).expect(0).document
    assert again == done | {"isNew": False}
    refused = (await whopays_of(installation)("verify")).expect(2)
    assert "WHOPAYS_SHARDS" in refused.err
    installation.settings = installation.settings.model_copy(
        update={"shards": shards, "first_shard": done["firstShard"]}
    )


async def _is_told_again(installation: Installation, folder: Path) -> None:
    """Replays and an export span all shards; of each subject the last event is one, wherever it stands."""
    whopays = whopays_of(installation)
    for name, selection in (("all", ()), ("last", ("--latest",)), ("one", ("--organization", "org-0", "--latest"))):
        (await whopays("replay", "start", name, *selection)).expect(0)
        manifest = folder / name
        manifest.write_text((await whopays("replay", "show", name, "--json")).expect(0).out)
        (await whopays("verify", "--manifest", str(manifest))).expect(0)
    async with installation.engine.connect() as connection:
        subjects = text(
            "SELECT count(*) FROM (SELECT DISTINCT topic, key FROM log WHERE topic IN ('bindings', 'accounts')) AS one"
        )
        wanted = (await connection.execute(subjects)).scalar_one()
    assert (await whopays("replay", "show", "last", "--json")).expect(0).document["records"] == wanted
    exported = folder / "log"
    (await whopays("export-log", str(exported))).expect(0)
    (await whopays("verify", "--offline", str(exported))).expect(0)
