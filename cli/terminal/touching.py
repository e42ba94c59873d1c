"""Says which installation a command is about to change, so that nobody changes the wrong one."""

import typer

from cli.terminal.installation import RUNNING, WHICH, running_here
from db.address import BadAddress, connect_arguments
from workers.runtime.settings import Settings


def name_what_is_touched(settings: Settings, *, kafka: bool = True) -> None:
    """Print on standard error which database (and Kafka) a command is about to change, and where that is configured."""
    broker = f", Kafka at {settings.kafka_bootstrap_servers}" if kafka else ""
    typer.echo(f"Working on database {database_place(settings)}{broker} ({_said_by(settings)}).", err=True)


def database_place(settings: Settings) -> str:
    """Return the host, port and name of the database, without user and password."""
    try:
        said = connect_arguments(settings.database_url)
    except BadAddress:
        return "whose address cannot be read"
    port = said.get("port")
    ports = port if isinstance(port, list) else [port] * len(said.get("host", ()))
    hosts = [f"{host}:{port}" if port else host for host, port in zip(said.get("host", ()), ports, strict=True)]
    return f"{','.join(hosts) or 'localhost'}/{said.get('database', '')}"


def _said_by(settings: Settings) -> str:
    if running_here():
        return f"of the whopays dev that runs in this folder, {RUNNING}"
    return "from the environment or .env" if WHICH & settings.model_fields_set else "by default"
