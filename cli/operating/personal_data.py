"""`whopays erase-contact`, `new-key` and `rewrap-keys`: personal data and the keys that encrypt it."""

import asyncio
import json
from datetime import UTC, datetime

import typer
from rich.progress import Progress

from cli.terminal.asking import ask
from cli.terminal.ending import CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import count_of, print_json
from cli.terminal.screen import error_console
from cli.terminal.touching import name_what_is_touched
from db.contacts import erase_contact as erase
from db.engine import create_engine
from db.rewrapping import outdated, rewrap
from db.sealing import KeyEncryption, fresh_key
from workers.runtime.settings import Settings

_AT_ONCE = 500


def erase_contact(*, organization: str, account: str, is_sure: bool, as_json: bool) -> None:
    """Erase an account's contact irreversibly."""
    settings = load_settings()
    name_what_is_touched(settings, kafka=False)
    if not is_sure:
        question = f"Erase the contact of {organization}/{account}? Nobody will ever be able to read it again."
        typer.confirm(question, abort=True, err=True)
    is_erased = ask(settings, lambda connection: erase(connection, organization, account))
    if as_json:
        print_json({"organization": organization, "account": account, "erased": is_erased})
    elif is_erased:
        typer.echo(f"The contact of {organization}/{account} is erased.")
    else:
        typer.echo(f"{organization}/{account} has no contact; nothing was changed.")


def new_key(*, id_: str | None) -> None:
    """Print a new key-encryption key."""
    typer.echo(json.dumps({id_ or f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}": fresh_key()}))


def rewrap_keys(*, as_json: bool) -> None:
    """Wrap all data keys under the active key."""
    settings = load_settings()
    keys = settings.keys()
    name_what_is_touched(settings, kafka=False)
    with reaching(settings):
        rewrapped, left = asyncio.run(_rewrap(settings, keys))
    if as_json:
        print_json({"activeKey": keys.active, "rewrapped": rewrapped, "left": left})
    else:
        wrapped = count_of(rewrapped, "data key is", "data keys are")
        typer.echo(f'{wrapped} wrapped under "{keys.active}" now.')
    if left:
        raise CommandFailed(
            f"{count_of(left, 'data key is', 'data keys are')} still wrapped under other keys: workers are writing "
            "them. Give all workers the new key, then run this again."
        )


async def _rewrap(settings: Settings, keys: KeyEncryption) -> tuple[int, int]:
    """Rewrap in transactions of bounded size; return how many data keys were rewrapped, and how many are left."""
    engine = create_engine(settings.database_url, pool_size=1)
    rewrapped = 0
    try:
        async with engine.connect() as connection:
            total = (await outdated(connection, keys)).total
        screen = error_console()
        is_shown = total > 0 and screen.is_terminal
        with Progress(console=screen, transient=True, disable=not is_shown) as progress:
            task = progress.add_task("Wrapping data keys", total=total)
            is_done = total == 0
            while not is_done:
                async with engine.begin() as connection:
                    count = await rewrap(connection, keys, _AT_ONCE)
                rewrapped += count
                is_done = count == 0
                progress.advance(task, count)
        async with engine.connect() as connection:
            return rewrapped, (await outdated(connection, keys)).total
    finally:
        await engine.dispose()
