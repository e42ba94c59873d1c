"""`whopays run`, `whopays migrate` and `whopays health`: what an operator types."""

import asyncio
import time
from http.client import HTTPException
from typing import Annotated
from urllib.request import urlopen

import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.text import Text

from cli.terminal.failures import CommandFailed, reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import AsJson, console, print_json
from db.engine import create_engine
from db.migrate import migrate as migrate_database
from workers.process import run_roles
from workers.runtime.logs import set_up_logs
from workers.runtime.roles import ALL_ROLES, Role
from workers.runtime.settings import Settings

_OLDEST_HEARTBEAT_SECONDS = 30.0
_HEALTH_SECONDS = 3.0


def run(
    only: Annotated[
        list[Role] | None, typer.Option(help="Play only this role; may be repeated.", show_default="all roles")
    ] = None,
) -> None:
    """Run the workers until SIGTERM or Ctrl-C; their logs go to standard error."""
    settings = load_settings()
    set_up_logs(settings)
    with reaching(settings):
        asyncio.run(run_roles(settings, only or ALL_ROLES))


def migrate(as_json: AsJson = False) -> None:
    """Create or upgrade the tables of the database; refuses one that it does not know."""
    settings = load_settings()
    with reaching(settings):
        before, after = asyncio.run(migrate_tables(settings))
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        console().print(f"The database is at revision {after} already.")
    else:
        console().print(f"The database is at revision {after} now ({before or 'empty'} before).")


async def migrate_tables(settings: Settings) -> tuple[str | None, str]:
    """Bring the configured database to this version; give the revision before and after. Raises DatabaseRefused."""
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        return await migrate_database(engine, settings.installation, settings.shards)
    finally:
        await engine.dispose()


def health(as_json: AsJson = False) -> None:
    """Return whether the whopays process of this host (WHOPAYS_METRICS_PORT) is alive, role by role."""
    port = load_settings().metrics_port
    if port == 0:
        raise CommandFailed("Set WHOPAYS_METRICS_PORT, for this command and for whopays run: health is asked there.")
    ages = _heartbeat_ages(port)
    silent = {role: age for role, age in ages.items() if age > _OLDEST_HEARTBEAT_SECONDS}
    if as_json:
        print_json({"healthy": bool(ages) and not silent, "secondsSinceLastSignOfLife": ages})
    else:
        for role, age in ages.items():
            is_well = role not in silent
            verdict = Text("alive", style="green") if is_well else Text("silent", style="bold red")
            console().print(Text.assemble(f"{role}: ", verdict, f", last sign of life {age:.1f} s ago"))
    if not ages:
        raise CommandFailed(f"The process on port {port} has started no role yet.")
    if silent:
        raise CommandFailed(
            f"No sign of life from {', '.join(silent)} for more than {_OLDEST_HEARTBEAT_SECONDS:.0f} s: "
            "see the log of the process; PostgreSQL or Kafka may be away."
        )


def _heartbeat_ages(port: int) -> dict[str, float]:
    """Ask a process on this host for the seconds since each role's last sign of life."""
    address = f"http://127.0.0.1:{port}/metrics"
    try:
        with urlopen(address, timeout=_HEALTH_SECONDS) as answer:
            text = answer.read().decode()
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise CommandFailed(f"No whopays process answers at {address}: {reason}. Is whopays run running?") from None
    now = time.time()
    return {
        sample.labels["role"]: max(0.0, now - sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "whopays_role_heartbeat_seconds"
    }
