"""`whopays reconcile`: makes the database and the topics match again, or says what has to be decided."""

import asyncio

import typer

from cli.operating.stopped import insist_on_stopped
from cli.terminal.ending import FAILED, CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import print_json
from cli.terminal.touching import name_what_is_touched
from db.engine import create_engine
from db.revisions import check as check_database
from workers.publishing.packing import LogDamaged
from workers.reconciling import Action, Step, next_steps, take
from workers.runtime.settings import Settings
from workers.topics.admission import insist_on_prefix

_MOST_STEPS = 20


def reconcile(*, is_applied: bool, goes_on: bool, as_json: bool) -> None:
    """Print the steps that are to be done, or do them."""
    settings = load_settings()
    if is_applied:
        name_what_is_touched(settings)
    with reaching(settings):
        try:
            done, left = asyncio.run(_reconcile(settings, is_applied=is_applied, goes_on=goes_on))
        except LogDamaged as error:
            raise CommandFailed(str(error)) from None
    if as_json:
        print_json({"done": [_document(step) for step in done], "toDo": [_document(step) for step in left]})
    else:
        _tell(done, left, is_applied=is_applied)
    if left:
        raise typer.Exit(FAILED)


async def _reconcile(settings: Settings, *, is_applied: bool, goes_on: bool) -> tuple[list[Step], list[Step]]:
    """Return the steps that were done, and those that remain."""
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        await check_database(engine, settings.installation, settings.shards, settings.first_shard, is_disposable=True)
        await insist_on_prefix(engine, settings)
        done: list[Step] = []
        while True:
            steps = await next_steps(engine, settings, goes_on=goes_on)
            if not steps or not is_applied or steps[0].action is Action.DECIDE or len(done) >= _MOST_STEPS:
                return done, steps
            await insist_on_stopped(engine, settings)
            await take(engine, settings, steps[0])
            done.append(steps[0])
    finally:
        await engine.dispose()


def _tell(done: list[Step], left: list[Step], *, is_applied: bool) -> None:
    for step in done:
        typer.echo(f"{step.why}\n  Done, as by: {step.command}")
    for step in left:
        typer.echo(f"{step.why}\n  {'See' if step.action is Action.DECIDE else 'To do'}: {step.command}")
    if not left:
        typer.echo("The database and the topics agree. whopays verify compares every event.")
    elif not is_applied and all(step.action is not Action.DECIDE for step in left):
        typer.echo("Stop everything, then: whopays reconcile --apply. More may follow from what is done.")


def _document(step: Step) -> dict[str, object]:
    named = {"action": str(step.action), "why": step.why, "command": step.command}
    return named | ({"beyond": list(step.beyond)} if step.action is Action.DECIDE else {})
