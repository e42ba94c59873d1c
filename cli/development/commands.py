"""`whopays dev` and its tokens: their options. The implementation is imported on call, so that completion is fast."""

from pathlib import Path
from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.installation import HOME
from cli.terminal.output import AsJson

DATA = HOME / "dev"


def dev(
    context: typer.Context,
    data_dir: Annotated[Path, typer.Option(help="Folder of the embedded servers' data; made when absent.")] = DATA,
    reset: Annotated[bool, typer.Option("--reset", help="Empty that folder first.")] = False,
    secure: Annotated[
        bool, typer.Option("--secure", help="With a Kafka that has TLS, users and rights; in .whopays/dev-secure.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a whole installation on this machine until Ctrl-C.

    Starts PostgreSQL and Kafka, migrates, creates the topics, and runs every worker. A server whose address the
    environment gives (WHOPAYS_DATABASE_URL, WHOPAYS_KAFKA_BOOTSTRAP_SERVERS) is used, not started.

    Unless WHOPAYS_AUTH says otherwise, commands and requests need tokens, which `whopays dev token` makes.
    """
    if context.invoked_subcommand is not None:
        return
    with importing():
        from cli.development import dev  # noqa: PLC0415 - see above

    dev.dev(data_dir=data_dir, reset=reset, secure=secure, as_json=as_json)


def token(
    person: Annotated[str, typer.Argument(help="The person it is for.", show_default=False)],
    role: Annotated[list[str], typer.Option(help="A role to grant; may be repeated.", show_default=False)],
    organization: Annotated[
        list[str], typer.Option(help="Where to grant it; * stands for everywhere.", show_default=False)
    ],
    accounts: Annotated[list[str] | None, typer.Option(help="Only for these accounts: a,b or test-*.")] = None,
    projects: Annotated[list[str] | None, typer.Option(help="Only for these projects.")] = None,
    payment_profiles: Annotated[list[str] | None, typer.Option(help="Only for these payment profiles.")] = None,
    valid_for: Annotated[str, typer.Option(help="How long it is valid: 90s, 30m, 8h, 7d.")] = "1h",
    out: Annotated[
        Path | None, typer.Option(help="Write it to this file, readable only by you, instead of printing it.")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Data folder of a whopays dev that does not run here.")] = DATA,
) -> None:
    """Print a token of the whopays dev of this folder.

    It is accepted as long as that runs.
    """
    with importing():
        from cli.development import tokens  # noqa: PLC0415 - see above

    lists = {"accounts": accounts, "projects": projects, "paymentProfiles": payment_profiles}
    tokens.token(
        person, roles=role, organizations=organization, lists=lists, valid_for=valid_for, out=out, data_dir=data_dir
    )
