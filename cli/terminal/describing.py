"""Describes each event in one readable line; other small pieces of text that the commands share."""

from datetime import datetime
from typing import Any

from rich.text import Text

from schemas.instants import parse_instant
from schemas.message_types import short_type

COLOURS = {
    "Applied": "green",
    "Unchanged": "cyan",
    "Scheduled": "yellow",
    "Waiting": "yellow",
    "Rejected": "red",
    "Ready": "green",
    "Suspended": "red",
    "Incomplete": "yellow",
    "Provisioning": "yellow",
    "Archived": "dim",
    "True": "green",
    "False": "yellow",
}
"""Colours of outcomes, phases and conditions."""

_TYPE_COLOURS = {
    "BindingChanged": "bold cyan",
    "AccountPhaseChanged": "magenta",
    "AccountChanged": "magenta",
    "ProjectBillingNotice": "yellow",
    "CommandCompleted": "",
    "DeadLetter": "bold red",
}


def coloured(word: str) -> Text:
    """Return an outcome, a phase or a condition's status in its colour."""
    return Text(word, style=COLOURS.get(word, ""))


def clock(instant: datetime) -> str:
    """Return the time of day in UTC, to the millisecond."""
    return instant.strftime("%H:%M:%S.%f")[:-3]


def duration(seconds: float) -> str:
    """Return a duration in at most two units: `1.25 s`, `3 min 12 s`, `5 d 2 h`."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts: list[str] = []
    rest = int(seconds)
    for unit, size in units:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 "))


def event_line(event: dict[str, Any], *, with_day: bool = True) -> Text:
    """Return an event as one line, which must not be wrapped: time, sequence, type, subject, and what changed."""
    instant = parse_instant(event["time"])
    name = short_type(event["type"])
    sequence = f"#{int(event['sequence'])}" if "sequence" in event else ""
    return Text.assemble(
        (f"{instant:%Y-%m-%d} " if with_day else "", "dim"),
        (clock(instant), "dim"),
        f" {sequence:>4} ",
        (f"{name:<20} ", _TYPE_COLOURS.get(name, "")),
        (f"{event['subject']}  ", "bold"),
        what_changed(name, event["data"]),
        no_wrap=True,
    )


def what_changed(name: str, data: dict[str, Any]) -> str:
    """Summarize an event in a few words, by its name and data."""
    match name:
        case "BindingChanged":
            previous, current = data["previous"], data["current"]
            payers = f"{previous['account'] if previous else 'nobody'} → {current['account'] if current else 'nobody'}"
            return f"{data['change']}: {payers}"
        case "AccountPhaseChanged":
            return f"{data['previousPhase'] or 'new'} → {data['phase']} ({data['reason']})"
        case "AccountChanged":
            return f"version {data['version']}, {data['phase']}"
        case "ProjectBillingNotice":
            return f"{data['kind']} ({data['reason']})"
        case "CommandCompleted":
            broken = ", ".join(violation["reason"] for violation in data["violations"])
            rehearsed = " (dry run)" if data["dryRun"] else ""
            return f"{short_type(data['commandType'])} {data['outcome']}{rehearsed}{': ' if broken else ''}{broken}"
        case "DeadLetter":
            return f"{data['reason']}: {data['detail']}"
        case _:
            return ""
