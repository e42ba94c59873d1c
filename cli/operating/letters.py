"""`whopays dead-letters`: the options. The implementation is imported on call, so that completion is fast."""

from typing import Annotated, Literal

import typer

from cli.terminal.ending import importing
from cli.terminal.output import AsJson
from schemas.records import DeadLetterReason

Numbers = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NUMBER]...", help="Their numbers, or ranges such as 7-12 or 7-.", show_default=False),
]
Topic = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only of this input topic, with or without its prefix.")
]
Organization = Annotated[
    str | None, typer.Option(metavar="ORG", help="Only of this organization, by their data or else their key.")
]
Reason = Annotated[DeadLetterReason | None, typer.Option(help="Only of this reason.")]
Records = Annotated[
    list[str] | None,
    typer.Option("--record", metavar="TOPIC/PARTITION/OFFSET", help="Only that of this record; may be repeated."),
]
Since = Annotated[
    str | None, typer.Option(metavar="INSTANT", help="Only those read since then, such as 2027-01-31T12:00:00Z.")
]
All = Annotated[bool, typer.Option("--all", help="All that are waiting.")]
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who does it, for the record.", show_default="your user and host")
]
Standing = Literal["waiting", "redriven", "discarded"]


def list_(
    topic: Topic = None,
    organization: Organization = None,
    reason: Reason = None,
    since: Since = None,
    records: Records = None,
    numbers: Annotated[
        list[str] | None,
        typer.Option(metavar="RANGE", help="Only these numbers, such as 7-12, 7- or -12; may be repeated."),
    ] = None,
    standing: Annotated[Standing | None, typer.Option("--state", help="Only those in this state.")] = None,
    only_waiting: Annotated[bool, typer.Option("--waiting", help="The same as --state waiting.")] = False,
    before: Annotated[int | None, typer.Option(help="Only those with a smaller number: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the dead letters, newest first.

    A dead letter waits until it is redriven or discarded.
    """
    with importing():
        from cli.operating import dead_letters  # noqa: PLC0415 - see above

    dead_letters.list_(
        topic=topic,
        organization=organization,
        reason=reason,
        since=since,
        records=records,
        numbers=numbers,
        standing=standing,
        only_waiting=only_waiting,
        before=before,
        limit=limit,
        as_json=as_json,
    )


def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Its number in the list.", show_default=False)],
    is_opened: Annotated[
        bool, typer.Option("--open", help="Decrypt a value that is stored encrypted because it may be personal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a dead letter, and what was done about it."""
    with importing():
        from cli.operating import dead_letters  # noqa: PLC0415 - see above

    dead_letters.show(number=number, is_opened=is_opened, as_json=as_json)


def redrive(
    numbers: Numbers = None,
    is_all: All = False,
    topic: Topic = None,
    organization: Organization = None,
    reason: Reason = None,
    since: Since = None,
    records: Records = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also those that were redriven or discarded before, once more.")
    ] = False,
    rate: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most this many a second.", show_default="no limit")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Put records on their topics again, once the cause is fixed.

    They are sent as they were, with key, headers and value, in the order in which those of an organization first came,
    and with a header by which workers process each only once. Those redriven or discarded before are left alone. Exit
    status 3 when it is stopped by Ctrl-C; the message says how to continue.
    """
    with importing():
        from cli.operating import redriving  # noqa: PLC0415 - see above

    redriving.redrive(
        numbers=numbers,
        is_all=is_all,
        topic=topic,
        organization=organization,
        reason=reason,
        since=since,
        records=records,
        again=again,
        rate=rate,
        by=by,
        as_json=as_json,
    )


def discard(
    numbers: Numbers = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why nothing is to be done about them. Required.")
    ] = None,
    is_all: All = False,
    topic: Topic = None,
    organization: Organization = None,
    of_reason: Annotated[
        DeadLetterReason | None, typer.Option("--where-reason", help="Only dead letters of this reason.")
    ] = None,
    since: Since = None,
    records: Records = None,
    erases: Annotated[
        bool, typer.Option("--erase", help="Also destroy what the database keeps of their records, permanently.")
    ] = False,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure to erase.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Note that nothing is to be done about dead letters, and why.

    They are kept and can be listed, but no longer wait. Those that were redriven or discarded before are left alone.
    """
    with importing():
        from cli.operating import discarding  # noqa: PLC0415 - see above

    discarding.discard(
        numbers=numbers,
        reason=reason,
        is_all=is_all,
        topic=topic,
        organization=organization,
        of_reason=of_reason,
        since=since,
        records=records,
        erases=erases,
        is_sure=is_sure,
        by=by,
        as_json=as_json,
    )
