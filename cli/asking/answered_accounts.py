"""`whopays account`: the question about one account."""

from contextlib import aclosing, suppress
from typing import Any

from cli.asking.accounts import account_view
from cli.asking.reaching import reached
from cli.asking.snapshots import one_snapshot, snapshots
from cli.terminal.ending import CommandFailed
from cli.terminal.installation import database_address, load_settings
from cli.terminal.output import print_json, print_json_line
from cli.terminal.screen import show
from db.driver import Driver
from db.questions import accounts as queries


def account(organization: str, name: str, *, with_contact: bool, is_watched: bool, as_json: bool) -> None:
    """Print an account, once or whenever it changes. Raises CommandFailed."""
    database_url = database_address()
    keys = load_settings().keys() if with_contact else None
    shown: dict[str, Any] | None = None

    async def look(connection: Driver) -> None:
        nonlocal shown
        found = await queries.account(connection, organization, name, with_balance=True, keys=keys)
        if found is None:
            raise CommandFailed(
                f"The organization {organization} has no account {name}.\n"
                f"Create it: whopays send CreateAccount --organization {organization} account={name} currencyCode=EUR "
                "paymentTerms='{}'"
            )
        found["history"] = await queries.account_history(connection, organization, name)
        if found == shown:
            return
        shown = found
        if as_json:
            (print_json_line if is_watched else print_json)(found)
        else:
            show(*account_view(found))

    async def once() -> None:
        async with one_snapshot(database_url, organization) as (connection, _):
            await look(connection)

    async def again() -> None:
        async with aclosing(snapshots(database_url, organization)) as found:
            async for connection, _ in found:
                await look(connection)

    with suppress(*[KeyboardInterrupt] if is_watched else []):
        reached(again() if is_watched else once())
