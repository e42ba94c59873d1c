"""The lists of projects and intervals (docs/contract.md section 11), and how their items are shown."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from rich.text import Text

from cli.asking.pages import Kind, show_pages
from cli.terminal.layout import Column, Listing
from cli.terminal.paging import Wanted
from db.questions import intervals as of_intervals
from db.questions import projects as of_projects
from db.questions.periods import Period

Items = Sequence[dict[str, Any]]


def projects(
    organization: str,
    wanted: Wanted,
    *,
    account: str | None = None,
    state: str | None = None,
    at: datetime | None = None,
    unbound: bool | None = None,
) -> None:
    """Print a list of projects."""
    selection: dict[str, Any] = {
        "account": account, "state": state, "at": at, "unbound": unbound,
    }  # fmt: skip
    kind = Kind(unbound_listing if unbound else projects_listing, "There is no such project.")
    show_pages(
        organization, wanted, kind,
        lambda connection, _, **part: of_projects.projects(connection, organization, **selection, **part),
    )  # fmt: skip


def intervals_of_project(
    organization: str, project: str, wanted: Wanted, begin: datetime | None, end: datetime | None
) -> None:
    """Print the intervals of a project."""
    _intervals(of_intervals.project_intervals, organization, project, wanted, begin, end, Kind(
        partial(intervals_listing, "account"), "Nobody paid within the period.", (int,),
        missing=f"The organization {organization} has no project {project}: none of that name was ever reported.",
    ))  # fmt: skip


def intervals_of_account(
    organization: str, account: str, wanted: Wanted, begin: datetime | None, end: datetime | None
) -> None:
    """Print the intervals in which an account paid."""
    _intervals(of_intervals.account_intervals, organization, account, wanted, begin, end, Kind(
        partial(intervals_listing, "project"), "It paid for nothing within the period.", (str, int),
        missing=f"The organization {organization} has no account {account}.",
    ))  # fmt: skip


def _intervals(
    question: Any,
    organization: str,
    name: str,
    wanted: Wanted,
    begin: datetime | None,
    end: datetime | None,
    kind: Kind,
) -> None:
    show_pages(
        organization, wanted, kind,
        lambda connection, known, **part: question(
            connection, organization, name, Period.of(known, begin, end), **part
        ),
        lambda known: {"settled": known.is_settled(end)},
    )  # fmt: skip


def projects_listing(items: Items) -> Listing:
    """Render projects, given as `whopays projects --json` prints them."""
    columns = (
        Column("project"),
        Column("paid by"),
        Column("since", may_move=True),
        Column("state", may_move=True),
        Column("name", may_move=True),
    )
    return Listing(columns, [
        (
            Text(one["project"], style="bold"), *_payer(one["payer"]), Text(one["state"]),
            Text(one.get("displayName", "")),
        )
        for one in items
    ])  # fmt: skip


def unbound_listing(items: Items) -> Listing:
    """Render projects without a payer."""
    columns = (Column("project"), Column("state"), Column("name", may_move=True))
    rows = [(Text(one["project"], style="bold"), Text(one["state"]), Text(one.get("displayName", ""))) for one in items]
    return Listing(columns, rows)


def intervals_listing(subject: str, items: Items) -> Listing:
    """Render intervals, given as `whopays intervals --json` prints them; `subject` is the member that varies."""
    columns = (
        Column(subject),
        Column("from"),
        Column("until"),
        Column("currency", may_move=True),
        Column("binding", may_move=True),
    )
    return Listing(columns, [
        (
            Text(one[subject], style="bold"), Text(one["from"]), Text(one["until"] or "still pays"),
            Text(one["currencyCode"] or ""), Text(one["bindingId"]),
        )
        for one in items
    ])  # fmt: skip


def _payer(payer: dict[str, Any] | None) -> tuple[Text, Text]:
    return (Text("nobody", style="dim"), Text()) if payer is None else (
        Text(payer["account"]), Text(payer["establishedAt"])
    )  # fmt: skip
