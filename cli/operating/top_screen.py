"""Renders the screen of `whopays top`: the most urgent first, and nothing truncated at any width."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.operating.replaying import share_of
from cli.operating.scraping import AtWork
from cli.operating.standing import MARKS, Standing, Verdict
from cli.operating.watched import View
from cli.terminal.describing import duration
from cli.terminal.layout import Column, Listing, visible
from cli.terminal.output import count_of
from db.at_work import Slot
from schemas.replays import ReplayState

_NOTHING = Text("?", style="dim")
_NAMED = 5
_NUMBERS = (1, 2, 3)
"""The numeric columns of a list."""
_SILENT_SECONDS = 30.0


def drawn_view(view: View, now: datetime) -> Iterator[RenderableType]:
    """Yield the parts of the screen, from the top."""
    yield Text.assemble((f"whopays {view.installation}", "bold"), f"  {now:%H:%M:%S} UTC")
    yield _verdicts([one for found in view.standings.values() for one in found])
    yield from _flows(view)
    yield from _organizations(view)
    yield from _work(view)
    yield from _titled("being announced", map(_fan_out, _fan_outs_of(view)))
    yield from _titled("replays", map(Text, _replays_of(view)))
    yield from _titled("last errors", _errors(view))


def _verdicts(found: Sequence[Standing]) -> RenderableType:
    if not found:
        return Text("looking ...", style="dim")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, width=4)
    table.add_column(overflow="fold")
    if well := [one.what for one in found if one.verdict is Verdict.WELL]:
        table.add_row(_mark(Verdict.WELL), ", ".join(well))
    for verdict in (Verdict.TROUBLE, Verdict.UNKNOWN, Verdict.NOTE):
        for one in (one for one in found if one.verdict is verdict):
            table.add_row(_mark(verdict), Text.assemble((one.what, "bold"), f"  {visible(one.words)}"))
            if one.to_do and verdict is not Verdict.NOTE:
                table.add_row("", Text(visible(one.to_do), style="dim"))
    return table


def _mark(verdict: Verdict) -> Text:
    mark, colour = MARKS[verdict]
    return Text(mark, style=colour)


def _flows(view: View) -> Iterator[RenderableType]:
    """Yield the backlog at each stage: its size, the age of its oldest item, the throughput, and the workers."""
    rows = []
    for one in view.waiting:
        by = Counter(reader.host for reader in one.readers)
        shares = {host: sum(reader.partitions for reader in one.readers if reader.host == host) for host in by}
        readers = ", ".join(
            f"{visible(host)}: {count_of(shares[host], 'partition')}"
            + (f" in {number} processes" if number > 1 else "")
            for host, number in by.items()
        )
        rate = view.decided.get(one.topic)
        by_whom = Text(readers) if readers else Text("nobody", style="red")
        rows.append(_flow(str(one.topic), one.records, one.seconds, rate, by_whom))
    if view.unpublished is not None:
        rows.append(_flow("events", view.unpublished, view.unpublished_seconds, view.published, _publishers(view)))
    if rows:
        yield Text()
        yield _listing(("", "waiting", "oldest", "per s", "by"), rows)


def _flow(name: str, waiting: int, seconds: float, rate: float | None, by: Text) -> list[Text]:
    told = _NOTHING if rate is None else _rate(rate)
    style = "bold" if waiting else ""
    return [Text(name), Text(f"{waiting:,}", style), Text(_short(seconds), style), told, by]


def _publishers(view: View) -> Text:
    """Name the relay or, with several slots, that of each; slots of one relay are grouped."""
    if not any(one.owner for one in view.slots):
        return Text("no relay", style="red")
    if len(view.slots) == 1:
        return _publisher(view, view.slots)
    by_owner: dict[tuple[str | None, bool], list[Slot]] = {}
    for one in view.slots:
        by_owner.setdefault((one.owner, one.holder is None), []).append(one)
    named = [
        Text.assemble(f"{'slot' if len(slots) == 1 else 'slots'} {_numbers(slots)}: ", _publisher(view, slots))
        for slots in by_owner.values()
    ]
    return Text("; ").join(named)


def _publisher(view: View, slots: Sequence[Slot]) -> Text:
    """Name the holder of slots and for how long at least it has held them, or since when they have been free."""
    owner, holder, left = slots[0].owner, slots[0].holder, slots[0].seconds_left
    if holder is not None:
        return Text(f"{visible(holder)}, {_short(min(view.held_seconds[one.number] for one in slots))} or more")
    if owner is None or left is None:
        return Text("nobody", style="red")
    return Text(f"nobody: the lease of {visible(owner)} ended {_short(-left)} ago", style="red")


def _numbers(slots: Sequence[Slot]) -> str:
    """Return the numbers of slots in order, with consecutive ones as ranges."""
    runs: list[list[int]] = []
    for one in slots:
        if runs and one.number == runs[-1][-1] + 1:
            runs[-1][1:] = [one.number]
        else:
            runs.append([one.number])
    return ", ".join("-".join(map(str, run)) for run in runs)


def _organizations(view: View) -> Iterator[RenderableType]:
    """Name the organizations with the most waiting records, among the records that were sampled."""
    for one in view.waiting:
        if not one.keys:
            continue
        keys = Counter(one.keys)
        named = ", ".join(f"{_key(key)} {number:,}" for key, number in keys.most_common(_NAMED))
        yield Text.assemble(
            (f"{one.topic} waits for ", "dim"), named, (f", of the next {keys.total():,}", "dim"), overflow="fold"
        )


def _key(key: bytes | None) -> str:
    return "no key" if key is None else visible(key.decode(errors="replace")) or "an empty key"


def _work(view: View) -> Iterator[RenderableType]:
    found = [one for told in view.at_work.values() for one in told]
    if not found:
        return
    yield Text()
    rows = [
        [Text(one.role), _sign(one), *_batches(one), Text(one.address if len(view.at_work) > 1 else "")]
        for one in found
    ]
    yield _listing(("role", "seen", "per s", "ms", "ms in steps", ""), rows)
    if view.outcomes:
        told = ", ".join(f"{outcome} {rate:,.1f}" for outcome, rate in sorted(view.outcomes.items()) if rate > 0)
        yield Text.assemble(("commands a second: ", "dim"), told or "none", overflow="fold")


def _sign(one: AtWork) -> Text:
    return Text(f"{_short(one.silent_seconds)} ago", style="red" if one.silent_seconds > _SILENT_SECONDS else "")


def _batches(one: AtWork) -> tuple[Text, Text, Text]:
    if one.batches is None:
        return Text(), Text(), Text()
    steps = [(step, 1000 * seconds) for step, seconds in one.batches.steps.items()]
    told = " ".join(f"{step} {ms:.0f}" for step, ms in steps if round(ms))
    return _rate(one.batches.a_second), Text(f"{1000 * one.batches.seconds:,.0f}"), Text(told)


def _fan_outs_of(view: View) -> Iterator[str]:
    for one in view.fan_outs:
        told = f"told up to {one.told}" if one.told else "nobody told yet"
        yield (
            f"{one.instant:%H:%M:%S} {one.organization}/{one.account}: {one.kind}, {told}, "
            f"of {count_of(one.projects, 'project')}"
        )


def _fan_out(said: str) -> Text:
    return Text(visible(said), overflow="fold")


def _replays_of(view: View) -> Iterator[str]:
    for one in view.replays:
        if one.state is ReplayState.RUNNING:
            by = f"by {one.owner}" if one.is_leased else "nobody works on it"
            yield visible(f"{one.name}: {share_of(one)}, {one.records:,} records, {by}")


def _errors(view: View) -> Iterator[Text]:
    for one in view.replays:
        if one.state is ReplayState.FAILED:
            yield Text.assemble(("replay ", "dim"), visible(f"{one.name}: {one.trouble}"), overflow="fold")
    for letter in view.letters:
        place = f"{letter.record.place} {letter.organization or ''}".rstrip()
        yield Text.assemble(
            (f"{letter.recorded_at:%m-%d %H:%M:%S} ", "dim"), (f"{letter.number} {letter.reason}", "red"),
            visible(f" {place}: {letter.detail}"), overflow="fold",
        )  # fmt: skip


def _titled(title: str, lines: Iterable[Text]) -> Iterator[RenderableType]:
    shown = list(lines)
    if shown:
        yield Text(f"\n{title}", style="bold")
        yield from shown


def _listing(names: Sequence[str], rows: Sequence[Sequence[Text]]) -> Listing:
    """Render a list whose three numeric columns after the first are aligned to the right."""
    widths = [
        max(len(text) for text in (name, *(row[index].plain for row in rows))) for index, name in enumerate(names)
    ]
    columns = [
        Column(name.rjust(widths[index]) if index in _NUMBERS else name, may_move=index not in (0, *_NUMBERS))
        for index, name in enumerate(names)
    ]
    aligned = [
        [
            Text(cell.plain.rjust(widths[index]), cell.style) if index in _NUMBERS and cell else cell
            for index, cell in enumerate(row)
        ]
        for row in rows
    ]
    return Listing(columns, aligned)


def _rate(a_second: float) -> Text:
    return Text(f"{a_second:,.0f}" if a_second >= 10 else f"{a_second:.1f}")


def _short(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else duration(seconds)
