"""`whopays health`: whether the process on this host is alive. Must be cheap: containers run it every few seconds."""

import re
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException

import typer

from cli.terminal.ending import CommandFailed
from cli.terminal.installation import load_settings, running_here, said_here
from cli.terminal.output import AsJson, print_json

_OLDEST_HEARTBEAT_SECONDS = 30.0
_TIMEOUT_SECONDS = 3.0
_LOOPBACK = "127.0.0.1"
_HEARTBEAT = re.compile(r'^whopays_role_heartbeat_timestamp_seconds\{role="([^"]+)"\} (\S+)$', re.MULTILINE)


def health(as_json: AsJson = False) -> None:
    """Say whether the whopays process on this host is alive.

    Role by role, queried at WHOPAYS_METRICS_PORT. Exit status 1 when a role is silent, or when there is none.
    """
    ages = _heartbeat_ages(_host(), _port())
    silent = [role for role, age in ages.items() if age > _OLDEST_HEARTBEAT_SECONDS]
    if as_json:
        print_json({"healthy": bool(ages) and not silent, "secondsSinceLastSignOfLife": ages})
    else:
        for role, age in ages.items():
            is_well = role not in silent
            verdict = typer.style("alive", fg="green") if is_well else typer.style("silent", fg="red", bold=True)
            typer.echo(f"{role}: {verdict}, last sign of life {age:.1f} s ago")
    if not ages:
        raise CommandFailed("The process that answers has started no role yet.")
    if silent:
        raise CommandFailed(
            f"No sign of life from {', '.join(silent)} for more than {_OLDEST_HEARTBEAT_SECONDS:.0f} s: "
            "see the log of the process; PostgreSQL or Kafka may be away."
        )


def _port() -> int:
    """Return the port to query; loads the settings only to report an invalid value."""
    said = said_here().get("metrics_port")
    if said is None:
        port = int(running_here().get("metrics_port", 0))
    elif said.isascii() and said.isdigit() and int(said) < 2**16:
        port = int(said)
    else:
        port = load_settings().metrics_port
    if port == 0:
        raise CommandFailed("Set WHOPAYS_METRICS_PORT, for this command and for whopays run: health queries that port.")
    return port


def _host() -> str:
    """Return the host to query for the address of the metrics; an unspecified address includes the loopback one."""
    said = said_here().get("metrics_address") or running_here().get("metrics_address") or _LOOPBACK
    return {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(said, said)  # noqa: S104 - connected to, not listened on


def _heartbeat_ages(host: str, port: int) -> dict[str, float]:
    """Query a process on this host for the seconds since each role's last heartbeat."""
    try:
        with closing(HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
    except (OSError, HTTPException) as error:
        raise CommandFailed(
            f"No whopays process answers at {host}, port {port}: {error}. Is whopays run running?"
        ) from None
    now = time.time()
    return {role: max(0.0, now - float(instant)) for role, instant in _HEARTBEAT.findall(text)}
