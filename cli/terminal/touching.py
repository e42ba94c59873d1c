"""Says what a command is about to change, so that nobody changes another installation than they meant."""

import typer
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from cli.terminal.installation import RUNNING, WHICH, running_here
from workers.runtime.settings import Settings


def name_what_is_touched(settings: Settings, *, kafka: bool = True) -> None:
    """Print, on standard error, which database (and Kafka) a command is about to change, and who says so."""
    broker = f", Kafka at {settings.kafka_bootstrap_servers}" if kafka else ""
    typer.echo(f"Working on database {database_place(settings)}{broker} ({_said_by(settings)}).", err=True)


def database_place(settings: Settings) -> str:
    """Return the host, port and name of the database, without user and password."""
    try:
        url = make_url(settings.database_url)
    except ArgumentError:
        return "whose address cannot be read"
    given = url.query.get("host", ())
    named = (given,) if isinstance(given, str) else given
    port = f":{url.port}" if url.port else ""
    host = ",".join(named) or f"{url.host or 'localhost'}{port}"
    return f"{host}/{url.database or ''}"


def _said_by(settings: Settings) -> str:
    if running_here():
        return f"of the whopays dev that runs in this folder, {RUNNING}"
    return "from the environment or .env" if WHICH & settings.model_fields_set else "by default"
