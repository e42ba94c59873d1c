"""Commands that run, migrate and check: their options. The implementation is imported on call."""

from pathlib import Path
from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.output import AsJson
from workers.runtime.roles import Role


def run(
    only: Annotated[
        list[Role] | None, typer.Option(help="Play only this role; may be repeated.", show_default="all roles")
    ] = None,
) -> None:
    """Run the workers until SIGTERM or Ctrl-C.

    Their logs go to standard error.
    """
    with importing():
        from cli.operating import running  # noqa: PLC0415 - see above

    running.run(only=only)


def serve(
    address: Annotated[
        str | None, typer.Option(help="Address of this host to listen on.", show_default="WHOPAYS_SERVE_ADDRESS")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; 0 for a free one.", min=0, max=65535, show_default="WHOPAYS_SERVE_PORT"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer questions over HTTP until SIGTERM or Ctrl-C.

    Nothing is changed: a read-only database role or a replica is enough. Logs go to standard error.
    """
    with importing():
        from cli.operating import serving  # noqa: PLC0415 - see above

    serving.serve(address=address, port=port, as_json=as_json)


def migrate(
    with_roles: Annotated[
        bool,
        typer.Option("--roles", help="Also create the database's roles, and grant each what it needs and no more."),
    ] = False,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Print what would be done, and to how much data; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create or upgrade the tables of the database.

    A database that contains something else, or belongs to another installation, is refused. If its roles were created
    before, every migration grants them what is new.
    """
    with importing():
        from cli.operating import migrating  # noqa: PLC0415 - see above

    if only_plan:
        migrating.tell_plan(as_json=as_json)
    else:
        migrating.migrate(as_json=as_json, with_roles=with_roles)


def verify(
    offline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Check a log that export-log wrote, without any server.", exists=True),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Check a replay's topic against its manifest and the log.", exists=True, dir_okay=False
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Repeat, round after round, with metrics on WHOPAYS_METRICS_PORT.")
    ] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds from the end of a round to the next one.")] = 300.0,
    as_json: AsJson = False,
) -> None:
    """Check that every promise holds.

    While the installation keeps running: payers that meet and never overlap, sequences and a log without gaps, the hash
    chain, phases, results, topics that contain exactly the log, the relay's positions. With --json: one finding a line.

    The verdict is stored for the console's health page if the database role may write. Exit status 1 when something is
    wrong, 2 when it could not be checked.
    """
    with importing():
        from cli.operating import verify  # noqa: PLC0415 - see above

    verify.verify(offline=offline, manifest=manifest, watch=watch, every=every, as_json=as_json)


def status(
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Also query the probes of this process: at its metrics port, or that of serve; may be repeated.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether everything is well, and what to do.

    Queries the database and Kafka; each line that is not good news names its section of docs/operations.md. Exit status
    1 when there is something to look at, 2 when a server could not be queried.
    """
    with importing():
        from cli.operating import status  # noqa: PLC0415 - see above

    status.status(at=at or [], as_json=as_json)


def top(
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Also read the metrics of this process, or of a URL; may be repeated.",
            show_default="WHOPAYS_METRICS_PORT of this host, if a process answers there",
        ),
    ] = None,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds from one look to the next.")] = 2.0,
    is_once: Annotated[
        bool, typer.Option("--once", help="Look twice, print one screen, and exit, as without a terminal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Watch backlogs, throughput, and the processes at work.

    Queries the database and Kafka, and processes for the time of their batches by step. On a terminal until q or
    Ctrl-C; the arrows scroll what does not fit. Changes nothing; says which server is down, and continues when it is
    back. With --json: one document a line per look, or a single one with --once.
    """
    with importing():
        from cli.operating import top  # noqa: PLC0415 - see above

    top.top(metrics=metrics, every=every, is_once=is_once, as_json=as_json)


def export_log(
    file: Annotated[
        Path, typer.Argument(help="The file to write, JSON lines.", metavar="FILE", show_default=False, dir_okay=False)
    ],
    may_overwrite: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
) -> None:
    """Write the whole log to a file.

    It can be checked without any server (whopays verify --offline FILE), and kept as an archive.
    """
    with importing():
        from cli.operating import exporting  # noqa: PLC0415 - see above

    exporting.export_log(file=file, may_overwrite=may_overwrite)
