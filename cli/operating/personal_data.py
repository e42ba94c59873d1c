"""`whopays erase-contact`, `new-key` and `rewrap-keys`: personal data, and what they are encrypted with."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import Progress

from cli.terminal.failures import CommandFailed, reaching
from cli.terminal.installation import load_settings
from cli.terminal.names import Account, Organization, ask
from cli.terminal.output import AsJson, console, error_console, print_json
from db.contacts import erase_contact as erase
from db.engine import create_engine
from db.rewrapping import outdated, rewrap
from db.sealing import KeyEncryption, fresh_key
from workers.runtime.settings import Settings

_AT_ONCE = 500


def erase_contact(
    organization: Organization,
    account: Account,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase the contact of an account for good, by destroying its data key; its history stays, no event is published.

    Needs no key. An account that has no contact (any more) is no failure: what was wanted is so already.
    """
    settings = load_settings()
    if not is_sure:
        question = f"Erase the contact of {organization}/{account}? Nobody will ever be able to read it again."
        typer.confirm(question, abort=True, err=True)
    is_erased = ask(settings, lambda connection: erase(connection, organization, account))
    if as_json:
        print_json({"organization": organization, "account": account, "erased": is_erased})
    elif is_erased:
        console().print(f"The contact of {organization}/{account} is erased.", markup=False)
    else:
        console().print(f"{organization}/{account} has no contact; nothing was changed.", markup=False)


def new_key(
    id_: Annotated[
        str | None, typer.Option("--id", help="The key's id.", show_default="the time, such as 20270131T120000Z")
    ] = None,
) -> None:
    """Print a new key-encryption key, as the JSON that WHOPAYS_ENCRYPTION_KEYS is set to.

    Nothing is stored. To replace a key, put the new one beside the old one in that JSON: see docs/operations.md.
    """
    typer.echo(json.dumps({id_ or f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}": fresh_key()}))


def rewrap_keys(as_json: AsJson = False) -> None:
    """Wrap all data keys, of contacts and of sealed dead letters, under the active key-encryption key.

    Afterwards no other key is needed any more. May be interrupted and repeated; the workers may run meanwhile.
    """
    settings = load_settings()
    keys = settings.keys()
    with reaching(settings):
        rewrapped, left = asyncio.run(_rewrap(settings, keys))
    if as_json:
        print_json({"activeKey": keys.active, "rewrapped": rewrapped, "left": left})
    else:
        console().print(f'{rewrapped} data keys are wrapped under "{keys.active}" now.', markup=False)
    if left:
        raise CommandFailed(
            f"{left} are still wrapped under other keys: workers are writing them. Give all workers the new key, then "
            "repeat this."
        )


async def _rewrap(settings: Settings, keys: KeyEncryption) -> tuple[int, int]:
    """Work in transactions of bounded size; give how many data keys were wrapped anew, and how many are left."""
    engine = create_engine(settings.database_url, pool_size=1)
    rewrapped = 0
    try:
        async with engine.connect() as connection:
            total = (await outdated(connection, keys)).total
        with Progress(console=error_console(), transient=True, disable=total == 0) as progress:
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
