"""Draws the timeline of a project's payers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from cli.terminal.describing import duration
from cli.terminal.layout import Column, Listing
from db.questions.intervals import TimelineEntry
from schemas.instants import format_instant

_BAR_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
_BAR_CELLS, _FEWEST_CELLS = 30, 8
_GOES_ON = "▶"
_HEADINGS = ("from (UTC)", "paid by", "for")


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open interval `[begins, ends)` and its payer, if any; the last one has no end."""

    payer: str | None
    begins: datetime
    ends: datetime | None


def intervals(entries: Sequence[TimelineEntry]) -> list[Interval]:
    """Return the intervals since the first payer, including gaps in which nobody paid."""
    found: list[Interval] = []
    following = [*(entry.established_at for entry in entries[1:]), None]
    for entry, begins_next in zip(entries, following, strict=False):
        found.append(Interval(entry.account, entry.established_at, entry.ended_at))
        if entry.ended_at is not None and entry.ended_at != begins_next:
            found.append(Interval(None, entry.ended_at, begins_next))
    return found


@dataclass(frozen=True, slots=True)
class Timeline:
    """The payers of a project: each with its beginning, its duration, and a bar on a common axis that ends `now`.

    The bars are left out if there is no space for them.
    """

    subject: str
    entries: Sequence[TimelineEntry]
    now: datetime

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draw them in the available width."""
        shown = intervals(self.entries)
        last = max([self.now, *(interval.ends or interval.begins for interval in shown)])
        payers = dict.fromkeys(entry.account for entry in self.entries)
        colours = dict(zip(payers, _BAR_COLOURS * len(payers), strict=False))
        said = [
            (
                format_instant(interval.begins),
                interval.payer or "nobody",
                duration(((interval.ends or last) - interval.begins).total_seconds()),
            )
            for interval in shown
        ]
        taken = sum(max(map(cell_len, column)) + 2 for column in zip(_HEADINGS, *said, strict=True))
        cells = min(_BAR_CELLS, options.max_width - taken - len(_GOES_ON))
        has_bars = cells >= _FEWEST_CELLS
        rows = []
        for interval, (begins, payer, lasts) in zip(shown, said, strict=True):
            colour = colours[interval.payer] if interval.payer else "dim"
            drawn = bar(interval, shown[0].begins, last, cells) if has_bars else ""
            rows.append((Text(begins), Text(payer, style=colour), Text(lasts), Text(drawn, style=colour)))
        columns = (*map(Column, _HEADINGS), Column("", may_move=True))
        yield Listing(columns, rows, title=self.subject)


def bar(interval: Interval, first: datetime, last: datetime, cells: int = _BAR_CELLS) -> str:
    """Draw an interval on the axis from `first` to `last`, at least one cell wide."""
    whole = (last - first).total_seconds() or 1.0
    begins = round((interval.begins - first).total_seconds() / whole * cells)
    ends = round(((interval.ends or last) - first).total_seconds() / whole * cells)
    begins = min(begins, cells - 1)
    drawn = ("█" if interval.payer else "·") * max(1, ends - begins)
    open_end = _GOES_ON if interval.ends is None and interval.payer else ""
    return " " * begins + drawn + open_end
