"""`whopays drill`: its options. The implementation is imported on call."""

from pathlib import Path
from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.installation import HOME

DATA = HOME / "drill"


def drill(
    name: Annotated[str, typer.Argument(help="The drill; list shows them.", metavar="NAME", show_default=False)],
    is_solved: Annotated[bool, typer.Option("--solve", help="Print at once what was broken, and what to do.")] = False,
    is_automatic: Annotated[bool, typer.Option("--auto", help="Do automatically what the runbook says.")] = False,
    data_dir: Annotated[Path, typer.Option(help="Folder of the embedded servers' data; emptied first.")] = DATA,
) -> None:
    """Practise an incident, on separate servers.

    A whole installation is started, something in it breaks, and you see what the operator on call would see. Repair it
    from another terminal in this folder; Enter gives a hint. The drill says when everything is well again, and how long
    it took. Exit status 1 when it ended before that. It is refused if the environment names an installation.
    """
    with importing():
        from cli.drill import performance  # noqa: PLC0415 - see above

    performance.perform(name, data_dir, is_solved=is_solved, is_automatic=is_automatic)
