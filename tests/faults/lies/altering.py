"""Which event a lie is about, and what it is made to say."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.faults.judge.evidence import Json
from tests.faults.lying import Where

RESULT, BINDING, PHASE, STATE = "CommandCompleted", "BindingChanged", "AccountPhaseChanged", "AccountChanged"
NOTICE, LETTER = "ProjectBillingNotice", "DeadLetter"
SOMEBODY_ELSE = "somebody-else"
OTHER_ID = "1-999999"


def says(member: str, value: str) -> Where:
    """Choose events whose data has a member with this value."""
    return lambda event: event["data"][member] == value


def has(member: str) -> Where:
    """Choose events whose data has a member that is neither null nor false."""
    return lambda event: event["data"][member]


def answers(kind: str, outcome: str, reason: str | None = None) -> Where:
    """Choose final results of a kind of command."""

    def where(event: Json) -> bool:
        data = event["data"]
        reasons = [violation["reason"] for violation in data["violations"]]
        is_first = not data["dryRun"] and not data.get("repeated")
        is_kind = data["commandType"].endswith(f".{kind}.v1") and data["outcome"] == outcome and is_first
        return is_kind and (reason is None or reasons == [reason])

    return where


def caused_by(kind: str) -> Where:
    """Choose events that a kind of command caused; the load names commands by their kinds."""
    return lambda event: event["causationid"].startswith(f"{kind.lower()}-")


def set_to(path: str, value: Any) -> Callable[[Json], None]:
    """Return a function that sets a member of an event: `a/b/c`; a callable value is called with the old one."""

    def change(event: Json) -> None:
        *outer, last = path.split("/")
        for name in outer:
            event = event[name]
        event[last] = value(event[last]) if callable(value) else value

    return change


def earlier(text: str) -> str:
    """Return the instant an hour earlier."""
    return (datetime.fromisoformat(text) - timedelta(hours=1)).isoformat()


def later_in_sequence(text: str) -> str:
    """Return the next number of a sequence."""
    return f"{int(text) + 1:020}"


def refused(*reasons: str) -> Callable[[Json], None]:
    """Return a function that turns a result into a refusal for these reasons."""
    violations = [{"reason": reason, "message": "a lie", "retryable": False} for reason in reasons]
    return lambda event: event["data"].update(outcome="Rejected", violations=violations, events=[], eventCount=0)


def applied(event: Json) -> None:
    """Make a result say that the command was applied."""
    event["data"].update(outcome="Applied", violations=[])
