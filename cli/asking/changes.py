"""`whopays changes`: the events of an organization, from the log itself; Kafka is not needed."""

from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.names import Organization
from cli.terminal.output import AsJson
from cli.terminal.paging import All, Limit, Wanted


def changes(
    organization: Organization,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Only what follows this event, such as 3-17.", show_default="the oldest that is kept"
        ),
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="NAME", help="Only this type; may be repeated.", show_default="all"),
    ] = None,
    limit: Limit = 100,
    is_all: All = False,
    is_watched: Annotated[
        bool, typer.Option("--watch", help="Follow the events from now on (or after ID) until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List what changed in an organization, oldest first, or watch it.

    Every event as it was published. With --json: one event a line.
    """
    with importing():
        from cli.asking import changed  # noqa: PLC0415 - completion and help need no database

    wanted = Wanted(limit, after, is_all, as_json)
    if is_watched:
        changed.watch(organization, wanted, types or [])
    else:
        changed.show_changes(organization, wanted, types or [])


def tail(
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest event that is kept.")
    ] = False,
    topics: Annotated[
        list[str] | None,
        typer.Option(
            "--topic",
            metavar="NAME",
            help="Only this output topic, with or without its prefix; may be repeated.",
            show_default="all",
        ),
    ] = None,
    organization: Annotated[str | None, typer.Option(help="Only events of this organization.")] = None,
    max_: Annotated[int | None, typer.Option("--max", min=1, help="Stop after this many events.")] = None,
    as_json: AsJson = False,
) -> None:
    """Follow the published events until Ctrl-C.

    Reads only committed events. With --json: one event a line.
    """
    with importing():
        from cli.asking import tail  # noqa: PLC0415 - see above

    tail.tail(from_beginning=from_beginning, topics=topics, organization=organization, max_=max_, as_json=as_json)
