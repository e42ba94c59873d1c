"""`whopays dev`: what they take; what they do is imported when one is called, so that completing is fast."""

from pathlib import Path
from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.installation import HOME
from cli.terminal.output import AsJson

DATA = HOME / "dev"


def dev(
    data_dir: Annotated[Path, typer.Option(help="Folder of the embedded servers' data; made when absent.")] = DATA,
    reset: Annotated[bool, typer.Option("--reset", help="Empty that folder first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a whole installation on this machine until Ctrl-C.

    Starts PostgreSQL and Kafka, migrates, creates the topics, and runs every worker. A server whose address the
    environment gives (WHOPAYS_DATABASE_URL, WHOPAYS_KAFKA_BOOTSTRAP_SERVERS) is used, not started.
    """
    with importing():
        from cli.development import dev  # noqa: PLC0415 - see above

    dev.dev(data_dir=data_dir, reset=reset, as_json=as_json)
