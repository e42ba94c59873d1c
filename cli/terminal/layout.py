"""Layouts that fit any width without truncation: columns that do not fit move beneath their row, and wrap there."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.terminal.screen import UNLIMITED

_GAP = 2
_FRAME = 6


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a listing. If rows are too wide, columns that `may_move` go beneath their row, the last one first."""

    name: str
    may_move: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows in columns. If even the columns that may not move do not fit, every row becomes a block of lines."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]
    title: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draw the rows in the available width."""
        if self.title:
            yield Text(self.title, style="bold", overflow="fold")
        shown = list(range(len(self.columns)))
        movable = [index for index in shown if self.columns[index].may_move]
        beneath: list[int] = []
        while self._width(shown) > options.max_width and movable:
            beneath.insert(0, movable.pop())
            shown.remove(beneath[0])
        if self._width(shown) <= options.max_width:
            yield from self._table(shown, beneath)
            return
        for row in self.rows:
            yield details((column.name, cell) for column, cell in zip(self.columns, row, strict=True) if cell)
            yield Text()

    def _widths(self, shown: Sequence[int]) -> list[int]:
        return [
            max(cell_len(text) for text in (self.columns[index].name, *(row[index].plain for row in self.rows)))
            for index in shown
        ]

    def _width(self, shown: Sequence[int]) -> int:
        return sum(self._widths(shown)) + _GAP * (len(shown) - 1)

    def _table(self, shown: Sequence[int], beneath: Sequence[int]) -> Iterator[RenderableType]:
        widths = self._widths(shown)
        if any(self.columns[index].name for index in shown):
            yield _line([Text(self.columns[index].name, style="dim") for index in shown], widths)
        for row in self.rows:
            yield _line([row[index] for index in shown], widths)
            for index in beneath:
                if row[index]:
                    name = self.columns[index].name
                    note = Text.assemble((f"{name}: " if name else "", "dim"), row[index], overflow="fold")
                    yield Padding(note, (0, 0, 0, 2 * _GAP), expand=False)


@dataclass(frozen=True, slots=True)
class Card:
    """Content with a title: in a frame on a terminal, without one elsewhere."""

    title: Text
    body: Sequence[RenderableType]
    colour: str
    foot: Text = field(default_factory=Text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draw it. A title that is too long for the frame becomes a separate line, which wraps."""
        if console.width >= UNLIMITED:
            yield self.title
            yield from self.body
            if self.foot:
                yield self.foot
            return
        title, foot = (text if _fits(text, options) else None for text in (self.title, self.foot))
        body = [
            *([] if title else [Text.assemble(self.title, overflow="fold")]),
            *self.body,
            *([] if foot is not None else [Text.assemble(self.foot, overflow="fold")]),
        ]
        yield Panel(
            Group(*body),
            title=title,
            title_align="left",
            subtitle=foot or None,
            subtitle_align="right",
            border_style=self.colour,
        )


def details(said: Iterable[tuple[str, Text]]) -> Table:
    """Return names and their values, one pair a line; values may wrap."""
    table = Table.grid(padding=(0, _GAP, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in said:
        table.add_row(name, value)
    return table


def copyable(line: str) -> Text:
    """Return a line to be copied, such as a command; when printed by `put`, only the terminal itself wraps it."""
    return Text(f"  {line}", style="cyan", no_wrap=True, overflow="ignore")


def visible(text: str) -> str:
    """Return untrusted text with its control characters escaped, because a terminal would obey them."""
    return "".join(sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in text)


def _line(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text(no_wrap=True, overflow="ignore")
    for cell, width in zip(cells, widths, strict=True):
        line.append_text(cell)
        line.append(" " * (width - cell_len(cell.plain) + _GAP))
    line.rstrip()
    return line


def _fits(text: Text, options: ConsoleOptions) -> bool:
    return cell_len(text.plain) <= options.max_width - _FRAME
