"""Commands about one project, account or command: their options. The implementation is imported on call."""

from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.names import Account, Organization, Project
from cli.terminal.output import AsJson


def project(organization: Organization, name: Project, as_json: AsJson = False) -> None:
    """Show a project: its payer, and what is scheduled and waiting.

    Exit status 1 when it was never reported.
    """
    with importing():
        from cli.asking import answered  # noqa: PLC0415 - see above

    answered.project(organization, name, as_json=as_json)


def timeline(organization: Organization, project: Project, as_json: AsJson = False) -> None:
    """Draw who has paid for a project, from its first payer on.

    Exit status 1 when it was never reported.
    """
    with importing():
        from cli.asking import answered  # noqa: PLC0415 - see above

    answered.timeline(organization, project, as_json=as_json)


def account(
    organization: Organization,
    name: Account,
    with_contact: Annotated[
        bool, typer.Option("--contact", help="Decrypt and show the contact too: personal data.")
    ] = False,
    is_watched: Annotated[
        bool, typer.Option("--watch", help="Show it again whenever it changes, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show an account: its phase and why, its holds, its history.

    Also its balance, what blocks its closure, and how many projects it pays for. Only --contact needs a key
    (WHOPAYS_ENCRYPTION_KEYS). With --watch and --json: one document a line.
    """
    with importing():
        from cli.asking import answered_accounts  # noqa: PLC0415 - see above

    answered_accounts.account(organization, name, with_contact=with_contact, is_watched=is_watched, as_json=as_json)


def result(
    organization: Organization,
    command_id: Annotated[str, typer.Argument(help="The command's id.", metavar="ID", show_default=False)],
    source: Annotated[str | None, typer.Option(help="The command's source, where several sent the same id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the result of a command.

    With --json: a list, one event for each source that sent this id.
    """
    with importing():
        from cli.asking import answered_results  # noqa: PLC0415 - see above

    answered_results.result(organization, command_id, source, as_json=as_json)
