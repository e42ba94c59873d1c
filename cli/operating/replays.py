"""`whopays replay`: the options. The implementation is imported on call, so that completion is fast."""

from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.output import AsJson
from schemas.topics import MOST_PARTITIONS, MOST_REPLAYED_A_SECOND

Name = Annotated[str, typer.Argument(metavar="NAME", help="The replay's name.", show_default=False)]
Rate = Annotated[
    int | None,
    typer.Option("--rate", min=1, max=MOST_REPLAYED_A_SECOND, help="Events a second at most, over all partitions."),
]


def start(
    name: Name,
    organization: Annotated[str | None, typer.Option(help="Only events of this organization.")] = None,
    project: Annotated[str | None, typer.Option(help="Only events about this project and its payer.")] = None,
    account: Annotated[str | None, typer.Option(help="Only events about this account, or that name it.")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type; may be repeated.")
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Only events from then on.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="Only events before.", show_default="now")
    ] = None,
    after: Annotated[
        list[str] | None,
        typer.Option("--after", metavar="ID", help="Only what follows this event in its shard; one per shard."),
    ] = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="A snapshot: the last event of each project and account.")
    ] = False,
    available: Annotated[
        bool, typer.Option("--available", help="Accept what is kept, even if more was asked for.")
    ] = False,
    topic: Annotated[
        str | None, typer.Option(help="The topic to write to, with its prefix.", show_default="PREFIXreplay.NAME")
    ] = None,
    partitions: Annotated[
        int | None, typer.Option(min=1, max=MOST_PARTITIONS, help="Partitions of that topic.", show_default="12")
    ] = None,
    rate: Rate = None,
    detach: Annotated[bool, typer.Option("--detach", help="Hand it to the role `replays`, and return.")] = False,
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Only print what it would do; nothing is written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish past events again, to one consumer; resume if the name is known.

    All conditions must hold. A name stands for one selection, for ever. Exit status 3 when it was stopped.
    """
    with importing():
        from cli.operating import replay  # noqa: PLC0415 - see above

    replay.start(
        name=name,
        organization=organization,
        project=project,
        account=account,
        types=types,
        from_=from_,
        until=until,
        after=after,
        latest=latest,
        available=available,
        topic=topic,
        partitions=partitions,
        rate=rate,
        detach=detach,
        is_dry=is_dry,
        as_json=as_json,
    )


def list_(as_json: AsJson = False) -> None:
    """List the replays, newest first."""
    with importing():
        from cli.operating import replay  # noqa: PLC0415 - see above

    replay.list_(as_json=as_json)


def show(name: Name, as_json: AsJson = False) -> None:
    """Show a replay: its progress, or its outcome.

    With --json: the manifest of a completed one, which `whopays verify --manifest FILE` checks.
    """
    with importing():
        from cli.operating import replay  # noqa: PLC0415 - see above

    replay.show(name=name, as_json=as_json)


def stop(name: Name, as_json: AsJson = False) -> None:
    """Stop a replay; it can be resumed."""
    with importing():
        from cli.operating import replay  # noqa: PLC0415 - see above

    replay.stop(name=name, as_json=as_json)


def resume(name: Name, rate: Rate = None, as_json: AsJson = False) -> None:
    """Resume a replay that was stopped or failed.

    Here or, if it was detached, by the role `replays`. Exit status 3 when it is stopped again.
    """
    with importing():
        from cli.operating import replay  # noqa: PLC0415 - see above

    replay.resume(name=name, rate=rate, as_json=as_json)


def forget(name: Name, as_json: AsJson = False) -> None:
    """Delete the topic of a completed replay; its manifest stays.

    Its name cannot be used again.
    """
    with importing():
        from cli.operating import replay  # noqa: PLC0415 - see above

    replay.forget(name=name, as_json=as_json)
