"""Shows the progress of long reads on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from cli.terminal.screen import error_console


@contextmanager
def shown_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that takes what is read, how much of it has been read, and the total, and shows them.

    Nothing is shown, not even an empty line, if standard error is not a terminal.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = error_console()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as shown:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(f"Reading the {what}", total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield progress


@contextmanager
def shown_rows(total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the number of further rows, and shows their count, rate, share, and time left.

    Nothing is shown if standard error is not a terminal.
    """
    columns = (
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    screen = error_console()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as shown:
        task = shown.add_task("", total=total, rate=0.0)

        def further(rows: int) -> None:
            shown.advance(task, rows)
            shown.update(task, rate=shown.tasks[0].completed / (shown.tasks[0].elapsed or 1.0))

        yield further
