"""`whopays demo`: a small story, played on real servers."""

from pathlib import Path
from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.installation import HOME

DATA = HOME / "demo"


def demo(
    context: typer.Context,
    data_dir: Annotated[Path, typer.Option(help="Folder of the embedded servers' data; emptied first.")] = DATA,
    serves_console: Annotated[
        bool, typer.Option("--console", help="Then serve the console, at WHOPAYS_SERVE_PORT, until Ctrl-C.")
    ] = False,
) -> None:
    """Watch projects of two organizations change payer.

    On a real PostgreSQL and a real Kafka, which are started for it and stopped at its end.
    """
    # Completion and help need none of these.
    with importing():
        from cli.demo import performance  # noqa: PLC0415 - see above
        from cli.operating.serving import insist_on_packages  # noqa: PLC0415 - see above
        from cli.terminal.screen import console  # noqa: PLC0415 - see above

    if serves_console:
        insist_on_packages()
    performance.perform(data_dir, console(), context.obj, serves_console=serves_console)
