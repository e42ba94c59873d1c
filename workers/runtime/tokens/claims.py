"""The claims of a token, checked strictly by docs/contract.md section 12 as of an instant."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.askers import Asker, Unidentified, Verified, grants_of
from schemas.people import is_authid, is_system
from workers.runtime.issuers import Issuer

LEEWAY_SECONDS = 60
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token whose signature is checked elsewhere; instants in Unix seconds."""

    verified: Verified
    expires: float
    not_before: float
    issued: float

    def at(self, instant: float) -> Verified | Unidentified:
        """Return who asks, if the token is valid at an instant."""
        if instant >= self.expires + LEEWAY_SECONDS:
            return Unidentified("the token has expired: its exp is past")
        if instant < self.not_before - LEEWAY_SECONDS:
            return Unidentified("the token is not valid yet: its nbf is in the future")
        if instant < self.issued - LEEWAY_SECONDS:
            return Unidentified("the token was issued later than it was used: its iat is in the future")
        return self.verified


def issuer_of(claims: Mapping[str, Any], issuers: Mapping[str, Issuer]) -> Issuer | Unidentified:
    """Return the issuer that a token names, if it is known and the token has one of its audiences."""
    name, audience = claims.get("iss"), claims.get("aud")
    issuer = issuers.get(name) if isinstance(name, str) else None
    if issuer is None:
        return Unidentified("the token's iss is none of the trusted issuers")
    audiences = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(one, str) for one in audiences) or issuer.audiences.isdisjoint(audiences):
        return Unidentified("the token's aud holds none of the audiences of its issuer")
    return issuer


def read_claims(claims: Mapping[str, Any], issuer: Issuer, grants_claim: str) -> Claims | Unidentified:
    """Return the claims of a token; its signature is verified separately."""
    expires = _instant(claims.get("exp"))
    if expires is None:
        return Unidentified("the token has no exp that is a number")
    not_before, issued = _instant(claims.get("nbf", -math.inf)), _instant(claims.get("iat", -math.inf))
    if not_before is None or issued is None:
        return Unidentified(f"the token's {'nbf' if not_before is None else 'iat'} is not a number")
    person = claims.get("sub")
    if not isinstance(person, str) or not is_authid(person):
        return Unidentified("the token's sub is not the name of a person")
    if is_system(person):
        return Unidentified("the token's sub is a name reserved for the system")
    command = _command(claims["command"]) if "command" in claims else None
    if isinstance(command, Unidentified):
        return command
    grants, ignored = grants_of(claims.get(grants_claim))
    asker = Asker(person, issuer.name, grants, ignored)
    return Claims(Verified(asker, _as_datetime(expires + LEEWAY_SECONDS), command), expires, not_before, issued)


def _instant(said: Any) -> float | None:
    """Return a number, or None; -inf, which JSON cannot express, stands for an absent one."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    seconds = float(said)
    return None if math.isnan(seconds) or seconds == math.inf else seconds


def _as_datetime(seconds: float) -> datetime:
    if seconds >= _LAST.timestamp():
        return _LAST
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.min.replace(tzinfo=UTC)


def _command(said: Any) -> tuple[str, str] | Unidentified:
    match said:
        case {"source": str(source), "id": str(command_id), **others} if not others:
            return source, command_id
        case _:
            return Unidentified("the token's command is not a source and an id")
