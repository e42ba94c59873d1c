"""How the story looks."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cli.asking.timeline import draw_timeline
from cli.demo.instants import Question, Timelines
from cli.demo.story import Chapter, Step
from cli.sending.answers import result_panel
from cli.terminal.describing import coloured, event_line, what_changed
from schemas.envelope import short_type
from schemas.scalars import format_instant
from schemas.topics import Topic
from workers.exchange import Answer, Message

_PUBLISHED_BY = {
    "BindingChanged": Topic.BINDINGS,
    "AccountPhaseChanged": Topic.ACCOUNTS,
    "AccountChanged": Topic.ACCOUNTS,
    "ProjectBillingNotice": Topic.NOTICES,
    "CommandCompleted": Topic.COMMAND_RESULTS,
}

_UNSAID = frozenset({"organization", "kind"})
_NAME_CELLS = 16


_NEXT = (
    "timeline acme rocket",
    "account acme main",
    "send BindProject --organization acme project=rocket account=main",
    "send ProjectChanged organization=acme project=website state=Active version=3",
    "send BindProject --organization acme project=website account=research",
    "tail --from-beginning --organization globex",
)


def introduce(screen: Console) -> None:
    """Say what is going to be seen."""
    text = Text.assemble(
        ("Who pays for this project?\n", "bold"),
        "Two organizations, Acme and Globex, tell whopays about accounts, cards and projects on three Kafka "
        "topics. It decides, keeps that in PostgreSQL, and publishes every change: exactly once, in order. "
        "Nothing here is simulated: a real PostgreSQL and a real Kafka are started for it.",
    )
    screen.print(Panel(text, border_style="cyan"))


def reporter(screen: Console) -> Callable[[str], None]:
    """Return a function that prints a line of progress."""
    return lambda message: screen.print(Text(message, style="dim"), soft_wrap=True)


def begin_chapter(screen: Console, chapter: Chapter) -> None:
    """Print a chapter's title."""
    screen.print()
    screen.print(Rule(Text(chapter.title, style="bold"), align="left", style="cyan"))


def show_step(
    screen: Console, step: Step, message: Message, answer: Answer, caused: Sequence[Mapping[str, Any]]
) -> None:
    """Print what was said, by whom, how it was answered, and which events came out of Kafka because of it."""
    screen.print()
    screen.print(Text(step.says, style="italic"))
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(width=_NAME_CELLS)
    lines.add_column()
    lines.add_row(Text(step.who, style="bold blue"), Text.assemble((message.name, "bold"), "  ", _members(message)))
    if answer.result and step.is_explained:
        lines.add_row("", result_panel(answer.result))
    elif answer.result:
        lines.add_row("", _outcome(answer, answer.result["data"]["outcome"]))
    elif not caused:
        lines.add_row("", Text("noted; nothing follows", style="dim"))
    for event in () if answer.is_repeat else caused:
        name = short_type(event["type"])
        # An account's state follows every change of it: left to the list at the end.
        if name != "AccountChanged":
            change = what_changed(name, event["data"])
            lines.add_row("", Text.assemble(("→ ", "dim"), (f"{event['subject']}: ", "cyan"), change))
    screen.print(Padding(lines, (0, 0, 0, 2)))


def draw_timelines(screen: Console, timelines: Timelines) -> None:
    """Draw who has paid for each project."""
    _begin_part(screen, "Who has paid, since when")
    now = datetime.now(UTC)
    for (organization, project), entries in timelines.items():
        screen.print()
        screen.print(draw_timeline(f"{organization}/{project}", entries, now))


def answer_questions(screen: Console, asked: Sequence[Question], answers: Sequence[str | None]) -> None:
    """Print who paid at each instant."""
    _begin_part(screen, "Who paid at that instant?")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("project", "at (UTC)", "", "paid by"):
        table.add_column(column, header_style="dim")
    for question, account in zip(asked, answers, strict=True):
        table.add_row(
            "/".join(question.project),
            Text(format_instant(question.at) if question.at else "now"),
            Text(question.when, style="dim"),
            Text(account or "nobody", style="bold" if account else "dim"),
        )
    screen.print(table)


def list_events(screen: Console, events: Sequence[Mapping[str, Any]]) -> None:
    """Print every event that was published, topic by topic, with its subject's sequence."""
    _begin_part(
        screen, f"The {len(events)} events that came out of Kafka (# is the sequence of its subject, without holes)"
    )
    for topic in dict.fromkeys(_PUBLISHED_BY.values()):
        published = [event for event in events if _PUBLISHED_BY[short_type(event["type"])] is topic]
        screen.print(Text.assemble("\n", (f"{topic}", "bold"), f"  {len(published)} events"))
        for event in sorted(published, key=lambda event: event["subject"]):
            screen.print(event_line(dict(event), with_day=False), no_wrap=True, overflow="ellipsis")


def conclude(screen: Console, data_dir: Path, seconds: float) -> None:
    """Say what to try next, in commands as this one was typed."""
    whopays = _program()
    text = Text.assemble(
        (f"That was a whole installation, from nothing, in {seconds:.0f} seconds.\n\n", "bold"),
        "Now try it yourself. Start it again on the data of this story, in one terminal:\n",
        (f"  {whopays} dev --data-dir {data_dir}\n", "cyan"),
        "and in another one, in the same folder, ask and change things:\n",
        *((f"  {whopays} {words}\n", "cyan") for words in _NEXT),
        "The README says how to run it on servers of your own; docs/contract.md what it promises.",
    )
    screen.print()
    screen.print(Panel(text, title="What next", title_align="left", border_style="green"))


def _program() -> str:
    """Return how `whopays` is called here: `make` leaves it in .venv, where a shell does not look."""
    called = Path(sys.argv[0])
    if called.name != "whopays" or shutil.which("whopays"):
        return "whopays"
    return str(called.relative_to(Path.cwd()) if called.is_relative_to(Path.cwd()) else called)


def _begin_part(screen: Console, title: str) -> None:
    screen.print()
    screen.print(Rule(Text(title, style="bold"), align="left", style="cyan"))


def _outcome(answer: Answer, outcome: str) -> Text:
    if answer.is_repeat:
        return Text.assemble(
            "= ", coloured(outcome), ("  the answer of before; nothing was changed or published", "dim")
        )
    return Text.assemble("✔ ", coloured(outcome))


def _members(message: Message) -> Text:
    """Return what a message says on one line, without the organization's name before its own things."""
    data = message.event["data"]
    shown = [f"{name}={_short(value)}" for name, value in data.items() if name not in _UNSAID]
    return Text.assemble((f"{data['organization']} ", "bold"), ", ".join(shown))


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_short(inner)}" for name, inner in value.items()) + "}"
    return "null" if value is None else str(value)
