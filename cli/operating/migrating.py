"""`whopays migrate`: creates or upgrades the tables of the database."""

import asyncio
import textwrap
from functools import partial

import typer

from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import print_json
from cli.terminal.touching import name_what_is_touched
from db.engine import create_engine
from db.migrate import migrate as migrate_database
from db.migration_plan import MigrationPlan, migration_plan
from workers.runtime.settings import Settings

_WIDTH = 80


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


def tell_plan(*, as_json: bool) -> None:
    """Print what a migration would do."""
    settings = load_settings()
    with reaching(settings):
        plan = asyncio.run(_plan(settings))
    if as_json:
        print_json(
            {
                "present": plan.present,
                "wanted": plan.wanted,
                "needsStop": plan.needs_stop,
                "migrations": [
                    {"revision": one.revision, "title": one.title, "kind": one.kind, "oldestCode": one.oldest_code}
                    for one in plan.migrations
                ],
                "largestTables": dict(plan.largest_tables),
            }
        )
        return
    if plan.present is None:
        typer.echo(f"The database is empty: whopays migrate makes the tables of revision {plan.wanted}.")
        return
    if not plan.migrations:
        typer.echo(f"The database is at revision {plan.present} already: there is nothing to do.")
        return
    typer.echo(f"From revision {plan.present} to {plan.wanted}, in one transaction, {_when(plan)}:")
    for one in plan.migrations:
        words = f"  {one.revision}  {one.kind:12}  {one.title}"
        typer.echo(textwrap.fill(words, _WIDTH, subsequent_indent=" " * 22))
    sizes = ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in plan.largest_tables)
    typer.echo(f"The largest tables: {sizes}.")
    typer.echo("docs/migrations.md says what to know about each.")


def _when(plan: MigrationPlan) -> str:
    if plan.needs_stop:
        return "with every process stopped"
    if plan.needs_code is not None:
        return f"while everything runs that knows revision {plan.needs_code}; stop what is older"
    return "while everything runs"


async def _plan(settings: Settings) -> MigrationPlan:
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        return await migration_plan(engine, settings.installation, settings.shards, settings.first_shard)
    finally:
        await engine.dispose()


async def migrate_tables(settings: Settings, *, with_roles: bool = False) -> tuple[str | None, str]:
    """Migrate the configured database to this version; return the revision before and after. Raises DatabaseRefused."""
    engine = create_engine(settings.database_url, pool_size=2)
    try:
        return await migrate_database(
            engine,
            settings.installation,
            settings.shards,
            settings.first_shard,
            report=partial(typer.echo, err=True),
            with_roles=with_roles,
        )
    finally:
        await engine.dispose()
