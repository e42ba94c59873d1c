"""Runs a drill: starts an installation, breaks it, shows the symptoms and hints, and waits for the repair."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import typer

from audit.installation import audited
from cli.development.servers import prepare, with_key
from cli.drill.drills import DRILLS, Drill, is_visible
from cli.drill.site import AT_WORK, PARTS, Site, begin, work
from cli.operating.standing import Standing, Verdict
from cli.operating.status import looked_at, tell
from cli.terminal.describing import duration
from cli.terminal.ending import CommandFailed, Misused
from cli.terminal.failures import reaching
from cli.terminal.installation import RUNNING, WHICH, remembered, said_here
from cli.terminal.output import count_of
from db.engine import create_engine
from workers.runtime.logs import set_up_logs
from workers.runtime.settings import Settings

_LOOK_SECONDS = 2.0
_PAGE = "docs/operations.md"


def perform(name: str, data_dir: Path, *, is_solved: bool, is_automatic: bool) -> None:
    """Run a drill, or list the drills. Raises CommandFailed, EmbeddedError."""
    if name == "list":
        for one in DRILLS.values():
            typer.echo(f"{one.name:10} {one.about}")
        return
    if name not in DRILLS:
        raise Misused(f"There is no drill {name}. These are: {', '.join(DRILLS)}.")
    if named := sorted(WHICH & said_here().keys()):
        raise CommandFailed(
            f"A drill breaks things, and does so only on separate servers; but WHOPAYS_{named[0].upper()} is set, "
            "here or in .env.\nUnset what names an installation, or go to another folder."
        )
    own = {"auth": "trusted", "issuers": {}, "log_level": "ERROR", "log_format": "console", "metrics_port": 0}
    settings = Settings().model_copy(update=own)
    set_up_logs(settings)
    # The client logs many errors while the broker has just started, or is down on purpose.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        from embedded import EmbeddedServices  # noqa: PLC0415 - its packages are not installed in production
    except ImportError as error:
        raise CommandFailed(f"Drills need packages that are not installed ({error.name}): '.[embedded]'.") from None
    EmbeddedServices.reset(data_dir, report=_say)
    _say(f"Starting a separate installation in {data_dir} ...")
    # Not watched: what is broken must stay broken until the operator repairs it.
    with EmbeddedServices(data_dir, report=_say) as services:
        addresses = services.start()
        found = {
            "database_url": addresses.database_url,
            "kafka_bootstrap_servers": addresses.kafka_bootstrap_servers,
        }
        settings = with_key(settings.model_copy(update=found), data_dir)
        site = Site(settings, services, data_dir, _say)
        with reaching(settings), suppress(KeyboardInterrupt):
            asyncio.run(_hold(DRILLS[name], site, is_solved=is_solved, is_automatic=is_automatic))
            return
    raise CommandFailed("The drill ended before everything was well again.")


async def _hold(drill: Drill, site: Site, *, is_solved: bool, is_automatic: bool) -> None:
    await prepare(site.settings, lambda _: None)
    with remembered(site.settings) as is_found:
        if not is_found:
            raise CommandFailed(f"A whopays dev runs in this folder ({RUNNING}): go to another one for a drill.")
        working: asyncio.Task[None] | None = None
        try:
            async with site.serving_requests():
                for part in AT_WORK:
                    await site.start(part)
                await begin(site.settings)
                await _until_well(site)
                working = asyncio.create_task(work(site.settings))
                await drill.breaks(site)
                seconds = await _practise(drill, site, is_solved=is_solved, is_automatic=is_automatic)
                typer.secho(f"All is well again, and every promise holds. It took {duration(seconds)}.", fg="green")
                typer.echo(f"The runbook: {_PAGE}#{drill.section}; and whom to tell: {_PAGE}#who-to-tell-what")
        finally:
            if working is not None:
                working.cancel()
                await asyncio.wait([working])
            await site.close()


async def _practise(drill: Drill, site: Site, *, is_solved: bool, is_automatic: bool) -> float:
    """Show what the operator on call sees, wait for the repair, and return how many seconds it took."""
    found = await _when_it_shows(drill, site)
    began = monotonic()
    typer.secho(f"\n{drill.alert}: {drill.page}", fg="red", bold=True)
    for one in found:
        if one.verdict in (Verdict.TROUBLE, Verdict.UNKNOWN):
            tell(one)
    if is_automatic:
        await drill.mends(site)
        await _until_well(site)
        return monotonic() - began
    typer.echo("\nMend it. In another terminal, in this folder, all commands find this installation by themselves:")
    typer.echo(f"whopays status, top, verify ... Logs are in {site.folder}, and parts are stopped and started with")
    typer.echo(f"  {site.script} restart relay      (or start, stop; {', '.join(PARTS)}, kafka)\nElsewhere, first:")
    for variable in ("database_url", "kafka_bootstrap_servers", "auth"):
        typer.echo(f"  export WHOPAYS_{variable.upper()}='{getattr(site.settings, variable)}'")
    hints = iter(drill.hints)
    with _enter(lambda: _hint(hints, drill)):
        if is_solved:
            for _ in range(len(drill.hints) + 1):
                _hint(hints, drill)
        else:
            typer.echo("Enter gives a hint; Ctrl-C ends the drill.")
        await _until_well(site)
    return monotonic() - began


def _hint(hints: Iterator[str], drill: Drill) -> None:
    typer.echo(f"Hint: {next(hints, f'{_PAGE}#{drill.section} has it all.')}")


async def _when_it_shows(drill: Drill, site: Site) -> list[Standing]:
    """Wait until the incident is visible, and return the checks."""
    while True:
        found = await looked_at(site.settings)
        if is_visible(drill, found):
            return found
        await asyncio.sleep(_LOOK_SECONDS)


async def _until_well(site: Site) -> None:
    """Wait until all checks pass and an audit finds nothing."""
    is_told = False
    while True:
        found = await looked_at(site.settings)
        if {one.verdict for one in found} <= {Verdict.WELL, Verdict.NOTE}:
            engine = create_engine(site.settings.database_url, pool_size=1)
            try:
                findings = [one async for one in audited(site.settings, engine, lambda *_: None)]
            finally:
                await engine.dispose()
            if not findings:
                return
            if not is_told:
                _say(f"{count_of(len(findings), 'finding')} left: whopays verify names them.")
                is_told = True
        await asyncio.sleep(_LOOK_SECONDS)


@contextmanager
def _enter(pressed: Callable[[], None]) -> Iterator[None]:
    """Call a function each time Enter is pressed; does nothing if standard input is not a terminal."""
    if not sys.stdin.isatty():
        yield
        return

    def read() -> None:
        sys.stdin.readline()
        pressed()

    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, read)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)


def _say(words: str) -> None:
    typer.secho(words, dim=True, err=True)
