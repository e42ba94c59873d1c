"""Long steps are shown while they last, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def step(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a step of `total` things; return a function that takes how many of them are done."""
    with Progress(
        TextColumn("{task.description:<42}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        # Drawn seldom: it is drawn on the cores that are measured.
        refresh_per_second=2,
    ) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)
