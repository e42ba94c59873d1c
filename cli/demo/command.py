"""`whopays demo`: a small story, told on real servers."""

from pathlib import Path
from typing import Annotated

import typer

from cli.demo import performance
from cli.terminal.installation import HOME
from cli.terminal.screen import console

DATA = HOME / "demo"


def demo(
    context: typer.Context,
    data_dir: Annotated[Path, typer.Option(help="Folder of the embedded servers' data; emptied first.")] = DATA,
) -> None:
    """Watch projects of two organizations change payer.

    On a real PostgreSQL and a real Kafka, which are started for it and stopped at its end.
    """
    performance.perform(data_dir, console(), context.obj)
