"""The stages before a command's content counts (docs/contract.md section 6): admission, then identity."""

from domain.decision import Clock
from schemas.parsing import CommandMessage
from schemas.people import LONGEST_AUTHID, SYSTEM_PREFIX
from schemas.results import Reason, Violation, violation

_UNAUTHENTICATED = (
    f"authid must say who asks: 1 to {LONGEST_AUTHID} characters, without blanks at either end, without invisible or "
    f"control characters, and not beginning with {SYSTEM_PREFIX}"
)


def admission_rules(message: CommandMessage) -> list[Violation]:
    """Somebody asks. Whoever is not let in learns nothing else, and claims no id."""
    return [violation(Reason.UNAUTHENTICATED, _UNAUTHENTICATED)] if message.sender is None else []


def identity_rules(message: CommandMessage, claimed: bytes | None, clock: Clock) -> list[Violation]:
    """The id is not `claimed` for another meaning, the command is read in time, and its type is known."""
    broken = []
    if claimed is not None:
        text = "this id was used for a command of another meaning: send it under a new id"
        broken.append(violation(Reason.COMMAND_ID_REUSED, text))
    expires = message.event.expires
    if expires is not None and expires < clock.now:
        text = "the command was read after its expirytime: send it again under a new id"
        broken.append(violation(Reason.EXPIRED, text))
    if not message.known:
        broken.append(violation(Reason.UNKNOWN_COMMAND, "no such command is known in this version"))
    return broken


def result_not_kept() -> Violation:
    """The command was answered, and its result is asked for again, but no longer in the log."""
    text = "the command was answered before, and nothing was done now; its result is archived and cannot be repeated"
    return violation(Reason.EXPIRED, text)
