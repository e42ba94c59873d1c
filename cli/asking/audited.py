"""`whopays audit`: commands and who sent them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from cli.asking.pages import Kind, show_pages
from cli.terminal.describing import coloured
from cli.terminal.layout import Column, Listing
from cli.terminal.paging import Wanted
from db.questions.asked import asked
from schemas.message_types import short_type


def audited(organization: str, wanted: Wanted, by: str | None, period: tuple[datetime | None, datetime | None]) -> None:
    """Print the commands of a period, either end of which may be open, and who sent them."""
    since, until = period
    show_pages(
        organization, wanted, Kind(audit_listing, "There are no such commands.", (int,)),
        lambda connection, known, **part: asked(
            connection, known, organization, by=by, since=since, until=until, **part
        ),
    )  # fmt: skip


def audit_listing(items: Sequence[dict[str, Any]]) -> Listing:
    """Render commands and their senders, given as `whopays audit --json` prints them."""
    columns = (
        Column("time"),
        Column("who"),
        Column("command"),
        Column("outcome"),
        Column("about", may_move=True),
        Column("by the role", may_move=True),
        Column("issuer", may_move=True),
        Column("id", may_move=True),
    )
    return Listing(columns, [
        (
            Text(one["time"]), Text(one["person"] or "nobody", style="bold" if one["person"] else "dim"),
            Text(short_type(one["commandType"]) + (" (dry run)" if one["dryRun"] else "")),
            coloured(one["outcome"]) + Text(f" {', '.join(dict.fromkeys(one['reasons']))}" if one["reasons"] else ""),
            Text(" ".join(one[name] for name in ("project", "account") if one.get(name))),
            Text(", ".join(one["roles"])), Text(one["issuer"] or ""), Text(one["commandId"]),
        )
        for one in items
    ])  # fmt: skip
