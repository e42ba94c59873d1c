"""The checks that come before a command's content (docs/contract.md section 6): admission, then identity."""

from domain.commands import RULES
from domain.decision import Clock
from domain.rights import Judged, judged
from schemas.askers import Asker, Unidentified, Verified
from schemas.asking import Asked
from schemas.parsing import CommandMessage
from schemas.people import person_of
from schemas.results import Reason, Violation, violation


def admission(message: CommandMessage) -> Judged:
    """Judge whether the command's sender is identified and has every right that the command needs.

    A sender that is not admitted learns nothing else, and claims no id.
    """
    if isinstance(message.asker, Unidentified):
        return Judged([violation(Reason.UNAUTHENTICATED, message.asker.why)], ())
    rights = None if message.model is None else RULES[message.model].rights
    return judged(message.asker, message.organization, rights, message.event.data)


def asked_by(message: CommandMessage, admitted: Judged) -> Asked | None:
    """Return what the log keeps of who sent a command; for a token that does not match the command, its owner."""
    asker = message.asker
    if isinstance(asker, Asker):
        return Asked(person_of(asker.person), asker.issuer, () if admitted.missing else admitted.used)
    if isinstance(message.checked, Verified):
        return Asked(person_of(message.checked.asker.person), message.checked.asker.issuer)
    return None


def identity_rules(message: CommandMessage, claimed: bytes | None, clock: Clock) -> list[Violation]:
    """Check that the id is not `claimed` for other content, that the command is in time, and that its type is known."""
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
    """Return the violation for a command whose result is requested again but no longer in the log."""
    text = (
        "the command was answered before, and nothing was done now; its result is archived and is not published again: "
        "get it with whopays result, or with results?id= over HTTP"
    )
    return violation(Reason.EXPIRED, text)
