"""`whopays send`: its options. The implementation is imported on call, so that completion is fast."""

from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.output import AsJson


def send(
    type_: Annotated[
        str | None, typer.Argument(metavar="TYPE", help="A command or fact, such as BindProject.", show_default=False)
    ] = None,
    members: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MEMBER=VALUE]...",
            help="The data: project=web, paymentTerms.netDays=30. A value is JSON unless the member is text.",
            show_default=False,
        ),
    ] = None,
    organization: Annotated[str | None, typer.Option(help="The organization whose account or project it is.")] = None,
    file: Annotated[
        str | None, typer.Option(help="JSON of the data, or of a whole structured CloudEvent; - for standard input.")
    ] = None,
    authid: Annotated[str | None, typer.Option(help="The sender.", show_default="the login name")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The message's id.", show_default="a new one")] = None,
    source: Annotated[str | None, typer.Option(help="The message's source.", show_default="/cli")] = None,
    token_file: Annotated[
        str | None,
        typer.Option(
            help="File with the sender's token. There is no option for the token itself: others could read it.",
            envvar="WHOPAYS_TOKEN_FILE",
            show_envvar=True,
            show_default=False,
        ),
    ] = None,
    token_command: Annotated[
        str | None,
        typer.Option(
            help="Program that prints the token, such as a keyring's: 'secret-tool lookup service whopays'.",
            envvar="WHOPAYS_TOKEN_COMMAND",
            show_envvar=True,
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask what would happen, and change nothing.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Ask for the result of a command that was sent before, by its --id.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0, help="How long to wait for the answer, in seconds.")] = 10.0,
    wait_final: Annotated[
        bool,
        typer.Option("--wait-final", help="After Scheduled or Waiting, keep waiting for the final result."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send a command or fact, wait for its answer, and show it.

    Exit status: 0 done, unchanged or accepted; 1 rejected, dead-lettered or not sent; 2 misused; 3 no answer yet.
    """
    with importing():
        from cli.sending import send  # noqa: PLC0415 - see above

    send.send(
        type_=type_,
        members=members,
        organization=organization,
        file=file,
        authid=authid,
        id_=id_,
        source=source,
        token_file=token_file,
        token_command=token_command,
        dry_run=dry_run,
        again=again,
        timeout=timeout,
        wait_final=wait_final,
        as_json=as_json,
    )
