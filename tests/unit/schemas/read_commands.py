"""What comes of reading a command: what it says, or the rules of its shape that it breaks."""

from typing import Any

from schemas.parsing import CommandMessage
from tests.unit.schemas.building import command, structured

CONTACT: dict[str, Any] = {"name": "Ada", "emails": ["ada@example.com"]}


def read(name: str, data: Any) -> Any:
    """Return a command that breaks no rule."""
    message = command(structured(name, data))
    assert message.violations == ()
    return message.command


def broken(name: str, data: Any) -> list[tuple[str, str | None]]:
    """Return the broken rules of a command's shape: reason and field."""
    message = command(structured(name, data))
    assert message.known
    assert (message.command is None) == bool(message.violations)
    assert all(not violation.retryable for violation in message.violations)
    return [(str(violation.reason), violation.field) for violation in message.violations]


def in_words(message: CommandMessage) -> str:
    """Return all that is said about what is wrong."""
    return " ".join(f"{violation.field} {violation.message}" for violation in message.violations)
