"""`whopays topics acls`: the rights of each party at the broker."""

import asyncio
from collections.abc import Mapping, Sequence

import typer

from cli.terminal.ending import CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import count_of
from workers.runtime.settings import Settings
from workers.topics.acls import Party, apply, as_commands
from workers.topics.cluster import administration


def acls(*, principals: Sequence[str] | None, command_config: str | None, is_applied: bool) -> None:
    """Print the lines for `kafka-acls.sh`, or grant the rights."""
    settings = load_settings()
    chosen = _principals(principals)
    if not is_applied:
        for party, principal in chosen.items():
            typer.echo(f"# {party}: {principal}")
            for line in as_commands(party, principal, settings, client_config=command_config):
                typer.echo(line)
        return
    with reaching(settings):
        count = asyncio.run(_apply(settings, chosen))
    parties, entries = count_of(len(chosen), "party", "parties"), count_of(count, "entry", "entries")
    typer.echo(f"Gave {parties} their rights ({entries}). What they had besides, they still have.")


async def _apply(settings: Settings, principals: Mapping[Party, str]) -> int:
    async with administration(settings) as client:
        return await apply(client, principals, settings)


def _principals(said: Sequence[str] | None) -> dict[Party, str]:
    """Return the principals by party. Raises CommandFailed."""
    if not said:
        return {party: f"User:{party}" for party in Party}
    found: dict[Party, str] = {}
    for one in said:
        party, _, principal = one.partition("=")
        if party not in set(Party):
            raise CommandFailed(f"There is no party {party!r}. Parties are: {', '.join(Party)}.")
        kind, _, name = principal.partition(":")
        if not kind or not name:
            raise CommandFailed(f"{one!r} names no principal. Write it as --principal {party}=User:{party}")
        found[Party(party)] = principal
    return found
