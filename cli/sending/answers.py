"""How the answer to a command or fact is shown."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from cli.terminal.describing import COLOURS, coloured, event_line
from cli.terminal.layout import Card, Column, Listing
from schemas.message_types import short_type
from workers.exchange import INTERIM, Answer, Message

_DRAWN = {"Applied": "✔", "Unchanged": "=", "Scheduled": "…", "Waiting": "…", "Rejected": "✘"}

_LATER = "↻"


def answer_card(message: Message, answer: Answer, standing: dict[str, Any] | None) -> Card:
    """Render the answer to a message, and the present state of the account that a command named."""
    if answer.dead_letter is not None:
        return _dead_letter_card(message, answer.dead_letter)
    if answer.result is not None:
        return result_card(answer.result, standing, is_repeat=answer.is_repeat)
    return _fact_card(message, answer.events)


def result_card(event: dict[str, Any], standing: dict[str, Any] | None = None, *, is_repeat: bool = False) -> Card:
    """Render a `CommandCompleted`: outcome, every violation, the events it announced, and the state of its account."""
    data = event["data"]
    parts: list[RenderableType] = [_outcome(data, is_repeat=is_repeat)]
    if data["violations"]:
        parts += [Text(), *_violations(data)]
    if data["events"]:
        parts += [Text(), *_announcements(data)]
    if standing is not None:
        parts += [Text(), _standing(standing)]
    title = Text.assemble((short_type(data["commandType"]), "bold"), f" {data['organization']}")
    fingerprint = f", fingerprint {data['fingerprint']}" if "fingerprint" in data else ""
    foot = Text(f"{data['commandId']} from {data['commandSource']}{fingerprint}", style="dim")
    return Card(title, parts, COLOURS[data["outcome"]], foot)


def standing_of(account: dict[str, Any]) -> dict[str, Any]:
    """Return the phase of an account and its unmet conditions, as `whopays send --json` prints them."""
    # `Ready` summarizes the others.
    missing = [one for one in account["conditions"] if one["status"] != "True" and one["type"] != "Ready"]
    return {"account": account["account"], "phase": account["phase"], "missing": missing}


def _standing(standing: dict[str, Any]) -> Text:
    said = Text.assemble((standing["account"], "bold"), " is ", coloured(standing["phase"]), overflow="fold")
    if standing["missing"] and standing["phase"] != "Archived":
        said.append(". What is missing to be Ready: ")
        said.append("; ".join(f"{one['message']} ({one['reason']})" for one in standing["missing"]))
    return said


def _fact_card(message: Message, events: list[dict[str, Any]]) -> Card:
    lines: list[RenderableType] = [_folding(event_line(event, with_day=False)) for event in events]
    if not lines:
        lines = [
            Text.assemble(("✔ ", "green"), "noted"),
            Text("Nothing visible changes: nothing depends on it yet, or it was known already.", style="dim"),
        ]
    return Card(Text.assemble((message.name, "bold"), f" {message.organization}"), lines, "cyan")


def _dead_letter_card(message: Message, event: dict[str, Any]) -> Card:
    data = event["data"]
    body = [
        Text.assemble(("✘ dead letter: ", "red"), (data["reason"], "bold red")),
        Text(data["detail"], overflow="fold"),
        Text(event["subject"], style="dim", overflow="fold"),
    ]
    return Card(Text(message.name, style="bold"), body, "red")


def _outcome(data: dict[str, Any], *, is_repeat: bool) -> Text:
    outcome = data["outcome"]
    line = Text.assemble((f"{_DRAWN[outcome]} ", COLOURS[outcome]), coloured(outcome), overflow="fold")
    said = [f"{name} {data[name]}" for name in ("account", "project") if data.get(name)]
    line.append(f"  {', '.join(said)}" if said else "")
    if data["dryRun"]:
        line.append("  (dry run: nothing was changed)", style="yellow")
    if is_repeat:
        line.append("  (answered before, under the same id: nothing changed)", style="yellow")
    if outcome in INTERIM and not data["dryRun"]:
        line.append("  (a final result follows)", style="yellow")
    return line


def _violations(data: dict[str, Any]) -> Iterator[RenderableType]:
    columns = (Column(""), Column(""), Column(""), Column("", may_move=True))
    yield Listing(
        columns,
        [
            (
                Text(_LATER if violation["retryable"] else "✘", style="red"),
                Text(violation["reason"], style="bold"),
                Text(violation.get("field", ""), style="cyan"),
                Text(violation["message"]),
            )
            for violation in data["violations"]
        ],
    )
    yield from _and_more(data["violationCount"] - len(data["violations"]))
    if any(violation["retryable"] for violation in data["violations"]):
        yield Text(f"{_LATER}  the same may succeed later, under a new id", style="dim")


def _announcements(data: dict[str, Any]) -> Iterator[RenderableType]:
    rows: Sequence[Sequence[Text]] = [
        (Text("→", style="dim"), Text(short_type(announced["type"])), Text(announced["subject"], style="dim"))
        for announced in data["events"]
    ]
    yield Listing((Column(""), Column(""), Column("", may_move=True)), rows)
    yield from _and_more(data["eventCount"] - len(data["events"]))


def _and_more(count: int) -> Iterator[RenderableType]:
    if count:
        yield Text(f"   and {count} more", style="dim")


def _folding(line: Text) -> Text:
    line.no_wrap, line.overflow = False, "fold"
    return line
