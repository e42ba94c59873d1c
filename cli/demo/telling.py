"""How the story is shown."""

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.asking.timeline import Timeline
from cli.demo.instants import Question, Timelines
from cli.demo.replaying import Paid
from cli.demo.story import Chapter, Step
from cli.sending.answers import result_card
from cli.terminal.describing import coloured, event_line, what_changed
from cli.terminal.layout import Card, Column, Listing, copyable
from cli.terminal.output import count_of
from cli.terminal.screen import put
from schemas.instants import format_instant
from schemas.message_types import short_type
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


_SIGN = "{} dev token ada --role account-admin --role project-owner --organization acme --out .whopays/token"
_BIND = "{} send BindProject --token-file .whopays/token --organization acme project=rocket account=main"
_NEXT = (
    "{} timeline acme rocket",
    "{} account acme main",
    _SIGN,
    _BIND,
    "{} send ProjectChanged organization=acme project=website state=Active version=3",
    "{} send BindProject --token-file .whopays/token --organization acme project=website account=research",
    "{} tail --from-beginning --organization globex",
)


def introduce(screen: Console) -> None:
    """Print an introduction."""
    text = Text(
        "Two organizations, Acme and Globex, tell whopays about accounts, cards and projects on three Kafka "
        "topics. It decides, keeps that in PostgreSQL, and publishes every change: exactly once, in order. "
        "Nothing here is simulated: a real PostgreSQL and a real Kafka are started for it."
    )
    put(screen, Card(Text("Who pays for this project?", style="bold"), [text], "cyan"))


def reporter(screen: Console) -> Callable[[str], None]:
    """Return a function that prints a line of progress."""
    return lambda message: put(screen, Text(message, style="dim", no_wrap=True))


def begin_chapter(screen: Console, chapter: Chapter) -> None:
    """Print a chapter's title."""
    _begin_part(screen, chapter.title)


def show_step(
    screen: Console, step: Step, message: Message, answer: Answer, caused: Sequence[Mapping[str, Any]]
) -> None:
    """Print what was sent, by whom, how it was answered, and the events it caused, as read from Kafka."""
    screen.print()
    put(screen, Text(step.says, style="italic"))
    lines: list[tuple[str, RenderableType]] = [
        (step.who, Text.assemble((message.name, "bold"), "  ", _members(message), overflow="fold"))
    ]
    if answer.result and step.is_explained:
        lines.append(("", result_card(answer.result)))
    elif answer.result:
        lines.append(("", _outcome(answer, answer.result["data"]["outcome"])))
    elif not caused:
        lines.append(("", Text("noted; nothing follows", style="dim")))
    for event in () if answer.is_repeat else caused:
        name = short_type(event["type"])
        # Follows every change of an account: only shown in the list at the end.
        if name != "AccountChanged":
            change = what_changed(name, event["data"])
            lines.append(("", Text.assemble(("→ ", "dim"), (f"{event['subject']}: ", "cyan"), change, overflow="fold")))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=_NAME_CELLS, style="bold blue")
    table.add_column()
    for who, said in lines:
        table.add_row(who, said)
    put(screen, Padding(table, (0, 0, 0, 2), expand=False))


def draw_timelines(screen: Console, timelines: Timelines) -> None:
    """Draw who has paid for each project."""
    _begin_part(screen, "Who has paid, since when")
    now = datetime.now(UTC)
    for (organization, project), entries in timelines.items():
        screen.print()
        put(screen, Timeline(f"{organization}/{project}", entries, now))


def answer_questions(screen: Console, asked: Sequence[Question], answers: Sequence[str | None]) -> None:
    """Print who paid at each instant."""
    _begin_part(screen, "Who paid at that instant?")
    columns = (Column("project"), Column("at (UTC)"), Column("paid by"), Column("", may_move=True))
    rows = [
        (
            Text("/".join(question.project)),
            Text(format_instant(question.at) if question.at else "now"),
            Text(account or "nobody", style="bold" if account else "dim"),
            Text(question.when, style="dim"),
        )
        for question, account in zip(asked, answers, strict=True)
    ]
    put(screen, Listing(columns, rows))


def list_events(screen: Console, events: Sequence[Mapping[str, Any]]) -> None:
    """Print every published event by topic, with its subject's sequence."""
    _begin_part(
        screen, f"The {len(events)} events that were read from Kafka (# is the sequence of its subject, without gaps)"
    )
    for topic in dict.fromkeys(_PUBLISHED_BY.values()):
        published = [event for event in events if _PUBLISHED_BY[short_type(event["type"])] is topic]
        put(screen, Text.assemble("\n", (f"{topic}", "bold"), f"  {count_of(len(published), 'event')}"))
        for event in sorted(published, key=lambda event: event["subject"]):
            put(screen, event_line(dict(event), with_day=False))


def compare(screen: Console, topic: str, live: Paid, again: Paid) -> None:
    """Print how long each account has paid: by the live events, and by those of the replay."""
    _begin_part(screen, "All of it, replayed")
    says = Text(f"A consumer that knows nothing reads a replay, {topic}, and adds up how long each account has paid.")
    screen.print()
    put(screen, says)
    screen.print()
    columns = (Column("account"), Column("heard live"), Column("from the replay"), Column(""))
    rows = [
        (
            Text("/".join(account)),
            Text(str(live.get(account, "nothing"))),
            Text(str(again.get(account, "nothing"))),
            Text("equal", style="green") if live.get(account) == again.get(account) else Text("differs", style="red"),
        )
        for account in sorted(live | again)
    ]
    put(screen, Listing(columns, rows))


def invite(screen: Console, where: str) -> None:
    """Print where the console is, and what to do there."""
    whopays = _program()
    _begin_part(screen, "The console")
    lines: tuple[RenderableType, ...] = (
        "All of this can be looked at, until Ctrl-C, at",
        copyable(f"{where}/#/acme/projects/rocket"),
        "by whoever signs in with a token, such as this makes, in another terminal in the same folder:",
        copyable(f"{whopays} dev token ada --role auditor --organization '*'"),
        "Change something meanwhile, there too, and see it in the feed:",
        copyable(_SIGN.format(whopays)),
        copyable(_BIND.format(whopays)),
    )
    put(screen, *lines)


def conclude(screen: Console, data_dir: Path, seconds: float) -> None:
    """Print what to try next, as commands spelled like this one was, each on a line that can be copied."""
    whopays = _program()
    _begin_part(screen, "What next")
    lines: tuple[RenderableType, ...] = (
        f"That was a whole installation, from nothing, and stopped again, in {seconds:.0f} seconds.",
        "Now try it yourself. Start it again on the data of this story, in one terminal:",
        copyable(f"{whopays} dev --data-dir {shlex.quote(str(data_dir))}"),
        "and in another one, in the same folder, ask and change things:",
        *(copyable(words.format(whopays)) for words in _NEXT),
        "docs/operations.md says how to run it on servers of your own; docs/contract.md what it promises.",
    )
    put(screen, *lines)


def _program() -> str:
    """Return how to call `whopays` here: `make` installs it in .venv, which is not on the shell's path."""
    called = Path(sys.argv[0])
    if called.name != "whopays" or shutil.which("whopays"):
        return "whopays"
    return str(called.relative_to(Path.cwd()) if called.is_relative_to(Path.cwd()) else called)


def _begin_part(screen: Console, title: str) -> None:
    screen.print()
    # A rule of fixed length, because a file has no width to fill.
    put(screen, Text.assemble(("── ", "cyan"), (title, "bold")))


def _outcome(answer: Answer, outcome: str) -> Text:
    if answer.is_repeat:
        return Text.assemble("= ", coloured(outcome), ("  the earlier answer; nothing was changed or published", "dim"))
    return Text.assemble("✔ ", coloured(outcome))


def _members(message: Message) -> Text:
    """Return the organization of a message, then its other members, on one line."""
    data = message.event["data"]
    shown = [f"{name}={_short(value)}" for name, value in data.items() if name not in _UNSAID]
    return Text.assemble((f"{data['organization']} ", "bold"), ", ".join(shown))


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_short(inner)}" for name, inner in value.items()) + "}"
    return "null" if value is None else str(value)
