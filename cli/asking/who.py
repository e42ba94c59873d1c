"""`whopays who`: which account pays for a project."""

from datetime import datetime
from typing import Annotated

import typer

from cli.terminal.ending import CommandFailed
from cli.terminal.installation import load_settings
from cli.terminal.names import Organization, Project, ask
from cli.terminal.output import AsJson, print_json
from cli.terminal.screen import console
from db import questions as queries
from schemas.scalars import format_instant, parse_instant


def who(
    organization: Organization,
    project: Project,
    at: Annotated[
        str | None, typer.Option(help="An instant with offset, such as 2027-01-31T12:00:00Z; now when not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which account pays for a project, now or at another instant."""
    instant = _instant(at)
    account = ask(load_settings(), lambda connection: queries.payer(connection, organization, project, instant))
    if as_json:
        asked = format_instant(instant) if instant else None
        print_json({"organization": organization, "project": project, "at": asked, "account": account})
    elif account is not None:
        console().print(account, markup=False)
    else:
        when = f"at {format_instant(instant)}" if instant else "now"
        console().print(f"nobody pays for {organization}/{project} {when}", markup=False)


def _instant(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_instant(text)
    except ValueError:
        raise CommandFailed(f"--at {text}: not an instant with offset, such as 2027-01-31T12:00:00Z.") from None
