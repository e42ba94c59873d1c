"""`whopays run`: the workers."""

import asyncio
from typing import Annotated

import typer

from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from workers.process import run_roles
from workers.runtime.logs import set_up_logs
from workers.runtime.roles import ALL_ROLES, Role


def run(
    only: Annotated[
        list[Role] | None, typer.Option(help="Play only this role; may be repeated.", show_default="all roles")
    ] = None,
) -> None:
    """Run the workers until SIGTERM or Ctrl-C.

    Their logs go to standard error.
    """
    settings = load_settings()
    set_up_logs(settings)
    with reaching(settings):
        asyncio.run(run_roles(settings, only or ALL_ROLES))
