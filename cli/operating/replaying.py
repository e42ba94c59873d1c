"""How far a replay has come, shown on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli.terminal.screen import error_console
from workers.replaying.working import Progress as Come


@contextmanager
def shown_replaying() -> Iterator[Callable[[Come], None]]:
    """Yield a function that is told how far a replay has come: records, their rate, the share of the log, and the rest.

    Nothing is shown where standard error is no terminal.
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
