"""The questions: who pays, who has paid, how an account stands, what became of a command."""

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.asking.accounts import account_view
from cli.asking.timeline import Timeline
from cli.asking.who import insist_on_known
from cli.sending.answers import result_card
from cli.terminal.asking import ask
from cli.terminal.ending import CommandFailed
from cli.terminal.installation import load_settings
from cli.terminal.names import Account, Organization, Project
from cli.terminal.output import AsJson, print_json
from cli.terminal.screen import show
from db.questions import accounts as queries
from db.questions import intervals
from db.questions.results import published_results
from schemas.instants import format_instant


def timeline(organization: Organization, project: Project, as_json: AsJson = False) -> None:
    """Draw who has paid for a project, from its first payer on.

    Exit status 1 when it was never reported.
    """
    settings = load_settings()
    entries = ask(settings, lambda connection: intervals.timeline(connection, organization, project))
    if not entries:
        insist_on_known(settings, organization, project)
    if as_json:
        payers = [
            {
                "bindingId": entry.binding_id,
                "account": entry.account,
                "establishedAt": format_instant(entry.established_at),
                "endedAt": entry.ended_at and format_instant(entry.ended_at),
            }
            for entry in entries
        ]
        print_json({"organization": organization, "project": project, "payers": payers})
    elif entries:
        show(Timeline(f"{organization}/{project}", entries, datetime.now(UTC)))
    else:
        typer.echo(f"nobody has ever paid for {organization}/{project}")


def account(
    organization: Organization,
    name: Account,
    with_contact: Annotated[
        bool, typer.Option("--contact", help="Decrypt and show the contact too: personal data.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show an account: its phase and why, its holds, its history.

    Also its balance, its closure, and how many projects it pays for. Only --contact needs a key
    (WHOPAYS_ENCRYPTION_KEYS).
    """
    settings = load_settings()
    keys = settings.keys() if with_contact else None

    async def question(connection: AsyncConnection) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        found = await queries.account(connection, organization, name, with_balance=True, keys=keys)
        return found, await queries.account_history(connection, organization, name)

    found, history = ask(settings, question)
    if found is None:
        raise CommandFailed(
            f"The organization {organization} has no account {name}.\n"
            f"Create it: whopays send CreateAccount --organization {organization} account={name} currencyCode=EUR "
            "paymentTerms='{}'"
        )
    if as_json:
        print_json(found | {"history": history})
    else:
        show(*account_view(found, history))


def result(
    organization: Organization,
    command_id: Annotated[str, typer.Argument(help="The command's id.", metavar="ID", show_default=False)],
    source: Annotated[str | None, typer.Option(help="The command's source, where several sent the same id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what became of a command.

    With --json: a list, one event for each source that sent this id.
    """
    values = ask(load_settings(), lambda connection: published_results(connection, organization, command_id, source))
    if not values:
        sender = f" of {source}" if source else ""
        raise CommandFailed(
            f"The organization {organization} has no answered command {command_id}{sender}.\n"
            "It was not sent, is not answered yet (whopays health), was a dry run, or came from nobody known: "
            "the last two claim no id. Or its result was archived with an old partition of the log."
        )
    events = [orjson.loads(value) for value in values]
    if as_json:
        print_json(events)
    else:
        show(*map(result_card, events))
