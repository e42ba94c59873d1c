"""The list of accounts."""

from typing import Any

from rich.text import Text

from cli.asking.listed import Items
from cli.asking.pages import Kind, show_pages
from cli.terminal.describing import coloured
from cli.terminal.layout import Column, Listing
from cli.terminal.paging import Wanted
from db.questions import accounts as of_accounts
from db.questions.account_documents import ARCHIVED


def accounts(organization: str, wanted: Wanted, phase: str | None) -> None:
    """Print a list of accounts."""
    kind = Kind(accounts_listing, "There is no such account.")
    show_pages(
        organization, wanted, kind,
        lambda connection, _, **part: of_accounts.accounts(connection, organization, phase=phase, **part),
    )  # fmt: skip


def accounts_listing(items: Items) -> Listing:
    """Render accounts, given as `whopays accounts --json` prints them."""
    columns = (
        Column("account"),
        Column("phase"),
        Column("currency", may_move=True),
        Column("name", may_move=True),
        Column("missing", may_move=True),
    )
    return Listing(columns, [
        (
            Text(one["account"], style="bold"), coloured(one["phase"]), Text(one["currencyCode"] or ""),
            Text(one["displayName"] or ""), Text(_missing(one)),
        )
        for one in items
    ])  # fmt: skip


def _missing(account: dict[str, Any]) -> str:
    if account["phase"] == ARCHIVED:
        return ""
    lacking = [one["reason"] for one in account["conditions"] if one["status"] != "True" and one["type"] != "Ready"]
    return ", ".join(dict.fromkeys(lacking))
