"""`whopays reshard`: changes the number of shards while no process of the installation runs."""

import asyncio

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.operating.stopped import insist_on_stopped
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import print_json
from cli.terminal.touching import name_what_is_touched
from db.engine import create_engine
from db.refusal import ForeignInstallation
from db.resharding import Resharded
from db.resharding import reshard as reshard_database
from db.revisions import check as check_database
from db.shard_ranges import shard_ranges
from workers.publishing.positions import read_kept
from workers.runtime.settings import Settings
from workers.topics.admission import insist_on_prefix


def reshard(*, shards: int, is_sure: bool, as_json: bool) -> None:
    """Close the shards in use, and open `shards` new ones."""
    settings = load_settings()
    name_what_is_touched(settings)
    if not is_sure:
        typer.confirm(f"Is everything stopped, serve too, and shall there be {shards} shards?", abort=True, err=True)
    with reaching(settings):
        done = asyncio.run(_reshard(settings, shards))
    now = done.now
    resume = [f"{shard}-{now.begins_after}" for shard in now.numbers]
    if as_json:
        print_json(
            {"isNew": done.is_new, "shards": now.shards, "firstShard": now.first, "beginsAfter": now.begins_after}
        )
        return
    before = f" ({done.before.shards} before)" if done.is_new else " already"
    typer.echo(f"There are {now.shards} shards{before}: {now.first} to {now.numbers.stop - 1}.")
    typer.echo(f"Set for every process: WHOPAYS_SHARDS={now.shards} WHOPAYS_FIRST_SHARD={now.first}")
    typer.echo(f"Their logs begin after: {' '.join(resume)}")


async def _reshard(settings: Settings, shards: int) -> Resharded:
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        if (done := await _done(engine, settings, shards)) is not None:
            return done
        await insist_on_prefix(engine, settings)
        await insist_on_stopped(engine, settings)
        published = {shard: at.position for shard, at in (await read_kept(settings)).positions.items()}
        return await reshard_database(engine, settings.installation, shards, published)
    finally:
        await engine.dispose()


async def _done(engine: AsyncEngine, settings: Settings, shards: int) -> Resharded | None:
    """Return the result of an earlier run, if the settings are still those before it. Raises DatabaseRefused."""
    try:
        await check_database(engine, settings.installation, settings.shards, settings.first_shard, is_disposable=True)
    except ForeignInstallation:
        async with engine.connect() as connection:
            now = (await shard_ranges(connection)).every[-1]
        if now.shards != shards:
            raise
        await check_database(engine, settings.installation, shards, now.first, is_disposable=True)
        return Resharded(now, now)
    return None
