"""`whopays who`: which account pays for a project. It starts as fast as it can: no SQLAlchemy, no Rich."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.terminal.ending import CommandFailed
from cli.terminal.installation import database_address, load_settings
from cli.terminal.names import Organization, Project, instant_named
from cli.terminal.output import AsJson, print_json
from db.questions.who import PayerAnswer, who_pays
from schemas.instants import format_instant

if TYPE_CHECKING:
    from workers.runtime.settings import Settings


def who(
    organization: Organization,
    project: Project,
    at: Annotated[
        str | None, typer.Option(help="An instant with offset, such as 2027-01-31T12:00:00Z; now when not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which account pays for a project, now or at another instant.

    Of an instant in the future nobody knows: the answer says who pays now, and what is scheduled. Exit status 1 when
    the project was never reported.
    """
    instant = None if at is None else instant_named("--at", at)
    answer = _asked(database_address(), organization, project, instant)
    if as_json:
        print_json(_document(organization, project, instant, answer))
    _insist(answer, organization, project)
    if not as_json:
        for line in _lines(organization, project, instant, answer):
            typer.echo(line)


def insist_on_known(settings: "Settings", organization: str, project: str) -> None:
    """Raise CommandFailed for a project that was never reported: something else than that nobody pays for it."""
    _insist(_asked(settings.database_url, organization, project, None), organization, project)


def _insist(answer: PayerAnswer, organization: str, project: str) -> None:
    if answer.is_known:
        return
    if answer.is_organization_known:
        raise CommandFailed(
            f"The organization {organization} has no project {project}: none of that name was ever reported."
        )
    raise CommandFailed(f"The organization {organization} is not known: no project of it was ever reported.")


def _asked(database_url: str, organization: str, project: str, instant: datetime | None) -> PayerAnswer:
    try:
        return asyncio.run(who_pays(database_url, organization, project, instant))
    except Exception:
        from cli.terminal.failures import reaching  # noqa: PLC0415 - knows all drivers, and takes its time to import

        with reaching(load_settings()):
            raise
        raise


def _lines(organization: str, project: str, instant: datetime | None, answer: PayerAnswer) -> list[str]:
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


def _document(organization: str, project: str, instant: datetime | None, answer: PayerAnswer) -> dict[str, Any]:
    one = answer.scheduled
    return {
        "organization": organization,
        "project": project,
        "at": instant and format_instant(instant),
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
