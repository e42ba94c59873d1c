"""`whopays run`: runs the workers."""

import asyncio

from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from workers.process import run_roles
from workers.runtime.logs import set_up_logs
from workers.runtime.roles import ALL_ROLES, Role


def run(*, only: list[Role] | None) -> None:
    """Run the workers until SIGTERM or Ctrl-C."""
    settings = load_settings()
    set_up_logs(settings)
    with reaching(settings):
        asyncio.run(run_roles(settings, only or ALL_ROLES))
