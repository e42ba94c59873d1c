"""What came of a command or fact, shown."""

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.terminal.describing import COLOURS, coloured, event_line
from schemas.envelope import short_type
from workers.exchange import INTERIM, Answer, Message

_DRAWN = {"Applied": "✔", "Unchanged": "=", "Scheduled": "…", "Waiting": "…", "Rejected": "✘"}

_LATER = "↻"


def show_answer(console: Console, message: Message, answer: Answer) -> None:
    """Print what came of a message that was answered."""
    if answer.dead_letter is not None:
        show_dead_letter(console, message, answer.dead_letter)
    elif answer.result is not None:
        console.print(result_panel(answer.result, is_repeat=answer.is_repeat))
    else:
        show_fact(console, message, answer.events)


def result_panel(event: dict[str, Any], *, is_repeat: bool = False) -> Panel:
    """Return a `CommandCompleted` as a panel: outcome, every violation, and what was announced."""
    data = event["data"]
    outcome = data["outcome"]
    parts: list[RenderableType] = [_outcome(data, is_repeat=is_repeat)]
    if data["violations"]:
        parts += [Text(), _violations(data)]
        if any(violation["retryable"] for violation in data["violations"]):
            parts.append(Text(f"{_LATER}  the same may succeed later, under a new id", style="dim"))
    if data["events"]:
        parts += [Text(), _announcements(data)]
    title = Text.assemble((short_type(data["commandType"]), "bold"), f" {data['organization']}")
    subtitle = Text(f"{data['commandId']} from {data['commandSource']}", style="dim")
    return Panel(
        Group(*parts),
        title=title,
        title_align="left",
        subtitle=subtitle,
        subtitle_align="right",
        border_style=COLOURS[outcome],
    )


def show_fact(console: Console, message: Message, events: list[dict[str, Any]]) -> None:
    """Print what a fact caused."""
    lines: list[RenderableType] = [event_line(event, with_day=False) for event in events]
    if not lines:
        lines = [
            Text("Nothing followed: nothing depends on it, or it was known already, or is older than what is known.")
        ]
    title = Text.assemble((message.name, "bold"), f" {message.organization}")
    console.print(Panel(Group(*lines), title=title, title_align="left", border_style="cyan"))


def show_dead_letter(console: Console, message: Message, event: dict[str, Any]) -> None:
    """Print why a message could not be answered."""
    data = event["data"]
    text = Text.assemble(
        ("✘ dead letter: ", "red"), (data["reason"], "bold red"), f"\n{data['detail']}\n", (event["subject"], "dim")
    )
    console.print(Panel(text, title=Text(message.name, style="bold"), title_align="left", border_style="red"))


def _outcome(data: dict[str, Any], *, is_repeat: bool) -> Text:
    outcome = data["outcome"]
    line = Text.assemble((f"{_DRAWN[outcome]} ", COLOURS[outcome]), coloured(outcome))
    said = [f"{name} {data[name]}" for name in ("account", "project") if data.get(name)]
    line.append(f"  {', '.join(said)}" if said else "")
    if data["dryRun"]:
        line.append("  (dry run: nothing was changed)", style="yellow")
    if is_repeat:
        line.append("  (answered before, under the same id: nothing changed)", style="yellow")
    if outcome in INTERIM and not data["dryRun"]:
        line.append("  (a final result follows)", style="yellow")
    return line


def _violations(data: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    for violation in data["violations"]:
        table.add_row(
            Text(_LATER if violation["retryable"] else "✘", style="red"),
            Text(violation["reason"], style="bold"),
            Text(violation.get("field", ""), style="cyan"),
            Text(violation["message"]),
        )
    more = data["violationCount"] - len(data["violations"])
    if more:
        table.add_row("", Text(f"and {more} more", style="dim"))
    return table


def _announcements(data: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    for announced in data["events"]:
        table.add_row(
            Text("→", style="dim"), Text(short_type(announced["type"])), Text(announced["subject"], style="dim")
        )
    more = data["eventCount"] - len(data["events"])
    if more:
        table.add_row("", Text(f"and {more} more", style="dim"))
    return table
