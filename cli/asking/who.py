"""`whopays who`: which account pays for a project. For a fast start, it imports neither SQLAlchemy nor Rich."""

from contextlib import aclosing, suppress
from datetime import datetime
from typing import Annotated, Any

import typer

from cli.asking.reaching import reached
from cli.terminal.ending import CommandFailed, Misused
from cli.terminal.installation import database_address
from cli.terminal.names import Organization, Project, instant_named
from cli.terminal.output import AsJson, print_json, print_json_line
from db.questions.who import PayerAnswer, payers_as_they_change, who_pays
from schemas.instants import format_instant


def who(
    organization: Organization,
    project: Project,
    at: Annotated[
        str | None, typer.Option(help="An instant with offset, such as 2027-01-31T12:00:00Z; now when not given.")
    ] = None,
    is_watched: Annotated[
        bool, typer.Option("--watch", help="Print it again whenever it changes, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say which account pays for a project, now or at another instant.

    For an instant in the future, the answer says who pays now, and what is scheduled. Exit status 1 when the project
    was never reported.
    """
    instant = None if at is None else instant_named("--at", at)
    if is_watched:
        if instant is not None:
            raise Misused("--watch is about now: leave out --at.")
        with suppress(KeyboardInterrupt):
            reached(_watch(database_address(), organization, project, as_json=as_json))
        return
    answer = _asked(database_address(), organization, project, instant)
    if as_json:
        print_json(document_of(organization, project, answer))
    insist(answer, organization, project)
    if not as_json:
        for line in lines_of(organization, project, instant, answer):
            typer.echo(line)


async def _watch(database_url: str, organization: str, project: str, *, as_json: bool) -> None:
    async with aclosing(payers_as_they_change(database_url, organization, project)) as answers:
        async for answer in answers:
            if as_json:
                print_json_line(document_of(organization, project, answer))
            insist(answer, organization, project)
            if not as_json:
                since = answer.payer["establishedAt"] if answer.payer else format_instant(answer.as_of)
                typer.echo(f"{since} {answer.account or 'nobody'}")


def insist_on_known(database_url: str, organization: str, project: str) -> None:
    """Raise CommandFailed for a project that was never reported, which is not the same as having no payer."""
    insist(_asked(database_url, organization, project, None), organization, project)


def insist(answer: PayerAnswer, organization: str, project: str) -> None:
    """Raise CommandFailed if the answer says that the project was never reported."""
    if answer.is_known:
        return
    if answer.is_organization_known:
        raise CommandFailed(
            f"The organization {organization} has no project {project}: none of that name was ever reported."
        )
    raise CommandFailed(f"The organization {organization} is not known: no project of it was ever reported.")


def _asked(database_url: str, organization: str, project: str, instant: datetime | None) -> PayerAnswer:
    return reached(who_pays(database_url, organization, project, instant))


def lines_of(organization: str, project: str, instant: datetime | None, answer: PayerAnswer) -> list[str]:
    """Return an answer in lines for people; for a future instant, only the present payer and the schedule are known."""
    if instant is None or instant <= answer.as_of:
        when = f"at {format_instant(instant)}" if instant else "now"
        return [answer.account or f"nobody pays for {organization}/{project} {when}"]
    now, then = format_instant(answer.as_of), format_instant(instant)
    lines = [
        answer.account or f"nobody pays for {organization}/{project} now",
        f"This holds as of now, {now}. Who pays at {then} is not known yet.",
    ]
    if answer.scheduled is None:
        return [*lines, "Nothing is scheduled."]
    one = answer.scheduled
    by = f"command {one.command_id} from {one.command_source}"
    return [*lines, f"Scheduled: {one.account} from {format_instant(one.effective_at)} ({by})."]


def document_of(organization: str, project: str, answer: PayerAnswer) -> dict[str, Any]:
    """Return an answer as a JSON-compatible dictionary."""
    one = answer.scheduled
    return {
        "organization": organization,
        "project": project,
        "at": format_instant(answer.at),
        "payer": answer.payer,
        "settled": answer.is_settled,
        "asOf": format_instant(answer.as_of),
        "known": answer.is_known,
        "account": answer.account,
        "scheduled": one
        and {
            "account": one.account,
            "effectiveAt": format_instant(one.effective_at),
            "commandId": one.command_id,
            "commandSource": one.command_source,
        },
    }
