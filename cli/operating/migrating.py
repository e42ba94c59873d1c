"""`whopays migrate`: the tables of the database."""

import asyncio
from functools import partial

import typer

from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import print_json
from cli.terminal.touching import name_what_is_touched
from db.engine import create_engine
from db.migrate import migrate as migrate_database
from workers.runtime.settings import Settings


def migrate(*, as_json: bool, with_roles: bool) -> None:
    """Create or upgrade the tables of the database."""
    settings = load_settings()
    name_what_is_touched(settings, kafka=False)
    with reaching(settings):
        before, after = asyncio.run(migrate_tables(settings, with_roles=with_roles))
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        typer.echo(f"The database is at revision {after} already.")
    else:
        typer.echo(f"The database is at revision {after} now ({before or 'empty'} before).")


async def migrate_tables(settings: Settings, *, with_roles: bool = False) -> tuple[str | None, str]:
    """Bring the configured database to this version; return the revision before and after. Raises DatabaseRefused."""
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        return await migrate_database(
            engine,
            settings.installation,
            settings.shards,
            report=partial(typer.echo, err=True),
            with_roles=with_roles,
        )
    finally:
        await engine.dispose()
