"""`whopays topics`, `reconcile`, `reshard`: their options. The implementation is imported on call."""

from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.output import AsJson


def create(
    new_prefix: Annotated[
        bool, typer.Option("--new-prefix", help="Also if the installation's topics have another prefix.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing; leave the others alone."""
    with importing():
        from cli.operating import topics  # noqa: PLC0415 - see above

    topics.create(new_prefix=new_prefix, as_json=as_json)


def check(as_json: AsJson = False) -> None:
    """Compare the topics with what whopays needs.

    Exit status 1 when something differs, 2 when it could not be checked.
    """
    with importing():
        from cli.operating import topics  # noqa: PLC0415 - see above

    topics.check(as_json=as_json)


def acls(
    principals: Annotated[
        list[str] | None,
        typer.Option(
            "--principal",
            metavar="PARTY=PRINCIPAL",
            help="The principal of a party, such as relay=User:relay; only for the parties named. Default: all.",
        ),
    ] = None,
    command_config: Annotated[
        str | None, typer.Option(metavar="FILE", help="The file with which kafka-acls.sh connects.")
    ] = None,
    is_applied: Annotated[bool, typer.Option("--apply", help="Grant the rights instead of printing them.")] = False,
) -> None:
    """Print, for `kafka-acls.sh`, what each party may do at the broker and nothing else; or grant these rights.

    Parties: resource-manager, payments, commands, workers, relay, replays, subscribers, operators.
    """
    with importing():
        from cli.operating import acls  # noqa: PLC0415 - see above

    acls.acls(principals=principals, command_config=command_config, is_applied=is_applied)


def adopt(
    publish_again: Annotated[
        bool, typer.Option("--publish-again", help="Also publish the whole log again, if relay-positions is empty.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Accept the topics as they are now; stop the workers first.

    For topics that moved to another cluster, were re-created, or got another number of partitions.
    """
    with importing():
        from cli.operating import adopting  # noqa: PLC0415 - see above

    adopting.adopt(publish_again=publish_again, as_json=as_json)


def reread(
    topic: Annotated[
        str, typer.Argument(metavar="TOPIC", help="An input topic, with or without its prefix.", show_default=False)
    ],
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read an input topic again from its beginning.

    For one that lost records, for instance by an unclean election. What is already decided stays as it is. A running
    worker ends with an error at the next record; when started again, it reads from the beginning.
    """
    with importing():
        from cli.operating import adopting  # noqa: PLC0415 - see above

    adopting.reread(topic=topic, is_sure=is_sure, as_json=as_json)


def restore_positions(as_json: AsJson = False) -> None:
    """Set the relay's positions to what the topics contain; stop the relay first.

    For a relay-positions topic that lost records.
    """
    with importing():
        from cli.operating import adopting  # noqa: PLC0415 - see above

    adopting.restore_positions(as_json=as_json)


def reconcile(
    is_applied: Annotated[
        bool,
        typer.Option("--apply/--plan", help="Do it, with everything stopped; or only print it.", show_default="--plan"),
    ] = False,
    goes_on: Annotated[
        bool, typer.Option("--go-on", help="Do not publish again what output topics have lost: readers miss it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print what makes the database and the topics match again, or do it.

    For topics that are missing, moved, re-created or truncated, and for lost positions. Each step is derived from what
    exists, so that the command can be repeated at any time.

    Exit status 1 when something is left to do or to decide, 2 when it could not be checked.
    """
    with importing():
        from cli.operating import reconciling  # noqa: PLC0415 - see above

    reconciling.reconcile(is_applied=is_applied, goes_on=goes_on, as_json=as_json)


def reshard(
    shards: Annotated[
        int, typer.Argument(metavar="N", min=1, max=1024, help="The new number of shards.", show_default=False)
    ],
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    as_json: AsJson = False,
) -> None:
    """Distribute the organizations over another number of shards; stop everything first.

    Events keep their ids: the shards in use are closed, and others with the next numbers begin. It is one transaction:
    if it is killed, nothing was done. It prints the settings to use from then on, also when it is repeated.
    """
    with importing():
        from cli.operating import resharding  # noqa: PLC0415 - see above

    resharding.reshard(shards=shards, is_sure=is_sure, as_json=as_json)
