"""Commands that list: their options. The implementation is imported on call, so that completion and help are fast."""

from typing import Annotated, Literal

import typer

from cli.terminal.ending import Misused, importing
from cli.terminal.names import Organization, instant_named
from cli.terminal.output import AsJson
from cli.terminal.paging import After, All, Limit, Wanted

PhaseName = Literal["Provisioning", "Incomplete", "Ready", "Suspended", "Archived"]
StateName = Literal["Active", "Inactive", "Deleted"]

_State = Annotated[StateName | None, typer.Option(help="Only projects in this state.")]


def accounts(
    organization: Organization,
    phase: Annotated[PhaseName | None, typer.Option(help="Only accounts in this phase.")] = None,
    limit: Limit = 100,
    after: After = None,
    is_all: All = False,
    as_json: AsJson = False,
) -> None:
    """List the accounts of an organization, and what each lacks to be Ready.

    By name, including archived ones.
    """
    with importing():
        from cli.asking import listed_accounts  # noqa: PLC0415 - see above

    listed_accounts.accounts(organization, Wanted(limit, after, is_all, as_json), phase)


def projects(
    organization: Organization,
    account: Annotated[str | None, typer.Option(help="Only those that this account pays for.")] = None,
    state: _State = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="Who paid at an instant with offset, such as 2027-01-31T12:00:00Z."),
    ] = None,
    limit: Limit = 100,
    after: After = None,
    is_all: All = False,
    as_json: AsJson = False,
) -> None:
    """List the projects of an organization and who pays for each, now or at another instant.

    By name. Deleted ones are listed only with --state Deleted, or with --at.
    """
    with importing():
        from cli.asking import listed  # noqa: PLC0415 - see above

    instant = None if at is None else instant_named("--at", at)
    listed.projects(organization, Wanted(limit, after, is_all, as_json), account=account, state=state, at=instant)


def unbound(
    organization: Organization,
    state: _State = None,
    limit: Limit = 100,
    after: After = None,
    is_all: All = False,
    as_json: AsJson = False,
) -> None:
    """List the projects of an organization that nobody pays for.

    By name.
    """
    with importing():
        from cli.asking import listed  # noqa: PLC0415 - see above

    listed.projects(organization, Wanted(limit, after, is_all, as_json), state=state, unbound=True)


def intervals(
    organization: Organization,
    project: Annotated[
        str | None, typer.Argument(help="The project's name.", metavar="[PROJECT]", show_default=False)
    ] = None,
    account: Annotated[str | None, typer.Option(help="Instead of one project: all that this account paid for.")] = None,
    begins: Annotated[
        str | None, typer.Option("--from", metavar="INSTANT", help="The beginning of the period (inclusive).")
    ] = None,
    ends: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="The end of the period (exclusive).")
    ] = None,
    limit: Limit = 100,
    after: After = None,
    is_all: All = False,
    as_json: AsJson = False,
) -> None:
    """List who paid for a project and when, or what an account paid for; within a period.

    Those of a project oldest first, those of an account by project. For invoices: whopays export intervals.
    """
    with importing():
        from cli.asking import listed  # noqa: PLC0415 - see above

    if (project is None) == (account is None):
        raise Misused("Name a project, or an account with --account: one of the two.")
    begin = None if begins is None else instant_named("--from", begins)
    end = None if ends is None else instant_named("--until", ends)
    if begin and end and begin >= end:
        raise Misused(f"--until {ends} is not after --from {begins}: the period is empty.")
    wanted = Wanted(limit, after, is_all, as_json)
    if project is not None:
        listed.intervals_of_project(organization, project, wanted, begin, end)
    else:
        listed.intervals_of_account(organization, account or "", wanted, begin, end)


def audit(
    organization: Organization,
    by: Annotated[str | None, typer.Option(metavar="PERSON", help="Only commands of this person.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Only commands answered from this instant on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Only commands answered before this instant.")
    ] = None,
    limit: Limit = 100,
    after: After = None,
    is_all: All = False,
    as_json: AsJson = False,
) -> None:
    """List who sent which command, with which role, and its outcome.

    Newest first; every command of an organization, including refused ones.
    """
    from cli.asking import audited  # noqa: PLC0415 - see above

    begin = None if since is None else instant_named("--since", since)
    end = None if until is None else instant_named("--until", until)
    if begin and end and begin >= end:
        raise Misused(f"--until {until} is not after --since {since}: the period is empty.")
    audited.audited(organization, Wanted(limit, after, is_all, as_json), by, (begin, end))
