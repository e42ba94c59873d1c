"""Who sent a command: the person of its token, or if tokens are not checked, the one that its `authid` names.

docs/contract.md, sections 2 and 12.
"""

from typing import Any

import orjson

from schemas.askers import Asker, Role, Unidentified, Verified
from schemas.envelope import CloudEvent
from schemas.immutable import dataclass
from schemas.people import LONGEST_AUTHID, SYSTEM_PREFIX, is_authid, is_same_person, is_system

Checked = Verified | Unidentified
"""The outcome of checking a record's token."""

_NOBODY = (
    f"authid must say who asks: 1 to {LONGEST_AUTHID} characters, without blanks at either end, without invisible or "
    f"control characters, and not beginning with {SYSTEM_PREFIX}"
)
_ANOTHER = "authid names another person than the token's sub: leave it out, or send the command with your own token"
_OF_ANOTHER_COMMAND = "the token is for another command: its claim command names another source or id than this one has"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who sent the command that an event answers, as the log keeps it: a person, in the form used to compare people.

    If tokens are checked, `issuer` vouches for the person, and `roles` are those by which the command was allowed.
    """

    person: str
    issuer: str | None = None
    roles: tuple[Role, ...] = ()

    def document(self) -> str:
        """Return it as stored in the log: JSON, whose text is part of a row's hash."""
        content: dict[str, Any] = {"person": self.person}
        if self.issuer is not None:
            content |= {"issuer": self.issuer, "roles": self.roles}
        return orjson.dumps(content).decode()


def who_asks(event: CloudEvent, authid: Any, checked: Checked | None) -> Asker | Unidentified:
    """Return who sent a command. `authid` is the attribute as sent; `checked` is None if tokens are not checked."""
    match checked:
        case None:
            name = event.sender
            return Unidentified(_NOBODY) if name is None or is_system(name) else Asker(name)
        case Unidentified():
            return checked
        case Verified(asker=asker, command=command):
            if authid is not None and not _names(authid, asker.person):
                return Unidentified(_ANOTHER)
            if command is not None and command != (event.source, event.id):
                return Unidentified(_OF_ANOTHER_COMMAND)
            return asker


def _names(authid: Any, person: str) -> bool:
    return isinstance(authid, str) and is_authid(authid) and is_same_person(authid, person)
