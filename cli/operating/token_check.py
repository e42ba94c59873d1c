"""`whopays token check`: prints what a token grants, or why it is refused, without showing the token."""

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from cli.terminal.ending import FAILED, CommandFailed
from cli.terminal.installation import load_settings
from cli.terminal.layout import details, visible
from cli.terminal.output import count_of, print_json
from cli.terminal.screen import show
from schemas.askers import Grant, Unidentified, Verified
from schemas.instants import format_instant
from workers.runtime.logs import set_up_logs
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens

_READ_BYTES = 64 * 1024
_WAIT_SECONDS = 15.0


def check_token(file: str, *, as_json: bool) -> None:
    """Check the token in a file or from standard input, and print the result."""
    token = _token(file)
    settings = load_settings()
    if not settings.issuers:
        raise CommandFailed("WHOPAYS_ISSUERS names no issuer whose tokens could be valid: see docs/rights.md.")
    set_up_logs(settings.model_copy(update={"log_format": "console", "log_level": "WARNING"}))
    found = asyncio.run(_verified(settings, token))
    if as_json:
        print_json(_document(found))
    elif isinstance(found, Unidentified):
        typer.echo(f"The token is refused: {found.why}.")
    else:
        show(Text("The token holds.", style="bold green"), details(_lines(found)))
    if isinstance(found, Unidentified):
        raise typer.Exit(FAILED)


def _token(file: str) -> bytes:
    """Read a token. If the token itself is given instead of a file name, no message may repeat it."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(_READ_BYTES).strip()
        with Path(file).open("rb") as opened:
            return opened.read(_READ_BYTES).strip()
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not a file name"
        raise CommandFailed(
            f"The file of the token cannot be read: {words}.\n"
            "Give a file or the standard input, never the token itself: others could read it in the list of processes."
        ) from None


async def _verified(settings: Settings, token: bytes) -> Verified | Unidentified:
    async with Tokens(settings) as tokens:
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                return await tokens.verify_token(token, datetime.now(UTC))
        except TimeoutError:
            unread = ", ".join(tokens.unread())
            raise CommandFailed(f"The keys of its issuer cannot be read ({unread}): see above.") from None


def _document(found: Verified | Unidentified) -> dict[str, Any]:
    if isinstance(found, Unidentified):
        return {"holds": False, "why": found.why}
    asker, command = found.asker, found.command
    return {
        "holds": True,
        "person": asker.person,
        "issuer": asker.issuer,
        "expires": format_instant(found.expires),
        "command": None if command is None else {"source": command[0], "id": command[1]},
        "grants": [
            {"organization": grant.organization, "role": grant.role, **dict(_lists(grant))}
            for grant in asker.grants or ()
        ],
        "ignoredGrants": asker.ignored_grants,
    }


def _lines(found: Verified) -> Iterator[tuple[str, Text]]:
    asker = found.asker
    yield "who", Text(f"{asker.person}, by {asker.issuer}")
    yield "until", Text(format_instant(found.expires))
    if found.command is not None:
        source, command_id = map(visible, found.command)
        yield "for", Text(f"the command {command_id} of {source} alone")
    for grant in asker.grants or ():
        narrowed = "; ".join(f"{kind} {', '.join(names)}" for kind, names in _lists(grant))
        yield "grants", Text(f"{grant.role} in {grant.organization}" + (f": {narrowed}" if narrowed else ""))
    if not asker.grants:
        yield "grants", Text("nothing", style="yellow")
    if asker.ignored_grants:
        ignored = f"{count_of(asker.ignored_grants, 'grant')} of an unknown form"
        yield "ignored", Text(ignored, style="yellow")


def _lists(grant: Grant) -> Iterator[tuple[str, list[str]]]:
    for kind, names in grant.lists:
        yield kind, [*sorted(names.exact), *(f"{prefix}*" for prefix in names.prefixes)]
