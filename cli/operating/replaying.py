"""How replays are shown: the progress of one, a list, and a single one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from cli.terminal.layout import Card, Column, Listing, details
from cli.terminal.output import count_of
from cli.terminal.screen import error_console
from db.replays import KeptReplay
from schemas.instants import format_instant
from schemas.replays import ReplayState as State
from workers.replaying.tally import Progress as Come


@contextmanager
def shown_replaying() -> Iterator[Callable[[Come], None]]:
    """Yield a function that shows a replay's progress on standard error: records, rate, share of the log, time left.

    Nothing is shown if standard error is not a terminal.
    """
    columns = (
        TextColumn("{task.fields[records]:,} records"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    screen = error_console()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as shown:
        task = shown.add_task("", total=None, records=0, rate=0.0)
        first: Come | None = None

        def told(come: Come) -> None:
            nonlocal first
            first = first or come
            seconds = shown.tasks[0].elapsed or 0.0
            rate = (come.records - first.records) / seconds if seconds else 0.0
            shown.update(task, completed=come.looked_at, total=come.to_look_at, records=come.records, rate=rate)

        yield told


def listing_of(replays: Sequence[KeptReplay]) -> Listing:
    """Render a list of replays."""
    stays = [Column(name) for name in ("name", "state", "records")]
    moves = [Column(name, may_move=True) for name in ("begun", "until", "topic")]
    return Listing(stays + moves, [_row_of(one) for one in replays])


def _row_of(replay: KeptReplay) -> list[Text]:
    return [
        Text(replay.name, style="bold"), Text(_state_in_words(replay)), Text(f"{replay.records:,}"),
        Text(format_instant(replay.begun_at)), Text(format_instant(replay.until)), Text(replay.target),
    ]  # fmt: skip


def share_of(replay: KeptReplay) -> str:
    """Return the share of the log that has been read, of the part that has to be."""
    return f"{100 * replay.looked_at / replay.to_look_at:.0f} %" if replay.to_look_at else "100 %"


def card_of(replay: KeptReplay) -> Card:
    """Render a replay in full."""
    selection = replay.selection.document()
    said = [
        ("selected", ", ".join(f"{name} {_words(value)}" for name, value in selection.items()) or "everything"),
        ("until", format_instant(replay.until)),
        *([("available from", format_instant(replay.available_from))] if replay.available_from else []),
        ("topic", f"{replay.target}, {count_of(replay.partitions, 'partition')}"),
        ("records", f"{replay.records:,}"),
        *([("trouble", replay.trouble)] if replay.trouble else []),
    ]
    if replay.manifest:
        said += [(name.split(".")[-2], f"{count:,}") for name, count in replay.manifest["types"].items()]
    elif replay.to_look_at:
        said.append(("looked at", f"{replay.looked_at:,} of {replay.to_look_at:,} positions"))
    title = Text.assemble((replay.name, "bold"), f"  {_state_in_words(replay)}")
    colour = {State.DONE: "green", State.FAILED: "red"}.get(replay.state, "yellow")
    return Card(title, [details((name, Text(value)) for name, value in said)], colour)


def _words(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


def _state_in_words(replay: KeptReplay) -> str:
    return "done, and its topic removed" if replay.forgotten_at else replay.state.lower()
