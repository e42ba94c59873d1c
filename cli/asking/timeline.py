"""The timeline of a project's payers, drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.table import Table
from rich.text import Text

from cli.terminal.describing import duration
from db.questions import TimelineEntry
from schemas.scalars import format_instant

_BAR_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
_BAR_CELLS = 30


@dataclass(frozen=True, slots=True)
class Interval:
    """`[begins, ends)` with its payer, or with nobody; the last one has no end."""

    payer: str | None
    begins: datetime
    ends: datetime | None


def intervals(entries: Sequence[TimelineEntry]) -> list[Interval]:
    """Return the whole time since the first payer, with the gaps in which nobody paid."""
    found: list[Interval] = []
    following = [*(entry.established_at for entry in entries[1:]), None]
    for entry, begins_next in zip(entries, following, strict=False):
        found.append(Interval(entry.account, entry.established_at, entry.ended_at))
        if entry.ended_at is not None and entry.ended_at != begins_next:
            found.append(Interval(None, entry.ended_at, begins_next))
    return found


def draw_timeline(subject: str, entries: Sequence[TimelineEntry], now: datetime) -> Table:
    """Draw the payers of a project: each with its beginning, its length, and a bar on one common axis until `now`."""
    shown = intervals(entries)
    table = Table(title=subject, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("from (UTC)", no_wrap=True)
    table.add_column("paid by")
    table.add_column("for", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=_BAR_CELLS)
    colours = dict(zip(dict.fromkeys(entry.account for entry in entries), _BAR_COLOURS * len(entries), strict=False))
    last = max([now, *(interval.ends or interval.begins for interval in shown)])
    for interval in shown:
        colour = colours[interval.payer] if interval.payer else "dim"
        table.add_row(
            format_instant(interval.begins),
            Text(interval.payer or "nobody", style=colour),
            duration(((interval.ends or last) - interval.begins).total_seconds()),
            Text(bar(interval, shown[0].begins, last), style=colour),
        )
    return table


def bar(interval: Interval, first: datetime, last: datetime) -> str:
    """Draw an interval on the axis from `first` to `last`; even the shortest is one cell wide."""
    whole = (last - first).total_seconds() or 1.0
    begins = round((interval.begins - first).total_seconds() / whole * _BAR_CELLS)
    ends = round(((interval.ends or last) - first).total_seconds() / whole * _BAR_CELLS)
    begins = min(begins, _BAR_CELLS - 1)
    cells = ("█" if interval.payer else "·") * max(1, ends - begins)
    open_end = "▶" if interval.ends is None and interval.payer else ""
    return " " * begins + cells + open_end
