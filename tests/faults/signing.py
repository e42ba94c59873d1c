"""Tokens for what the load sends: each person's own, and now and then one that does not let its command in."""

import json
import time
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from uuid import uuid4

from schemas.records import REDRIVE_HEADER
from schemas.topics import Topic
from tests.support.messages import Said
from tests.support.tokens import SigningKey, TokenIssuer, bearing

FORGED = "forged"
"""The id of a key that is no issuer's."""
_EVERYBODY = "alice"
"""Whoever sends what names nobody."""
_SECONDS = 8 * 3600
_PERCENT_ODD = 4
_STRANGER = ({"organization": "elsewhere", "role": "operator"},)
_NARROW = (
    {"organization": "*", "role": "project-owner"},
    {"organization": "*", "role": "account-user", "accounts": ["a", "b*"]},
)


@dataclass
class Signatures:
    """Adds tokens to commands: to each person's always the same. If `is_odd`, some are of no use."""

    issuer: TokenIssuer
    seed: int
    is_odd: bool = False
    _tokens: dict[tuple[str, str], bytes] = field(default_factory=dict)
    _forger: SigningKey = field(default_factory=lambda: SigningKey(key_id=FORGED))
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def forget(self) -> None:
        """Sign what comes by the issuer's present key."""
        self._tokens.clear()

    def signed(self, said: Said) -> Said:
        """Return a record with a token, if it is a command's and has none."""
        if said.topic is not Topic.ADMIN_COMMANDS or any(name == "authorization" for name, _ in said.headers):
            return said
        kind = "usual"
        if self.is_odd and self._random.randrange(100) < _PERCENT_ODD:
            kind = self._random.choice(("none", "forged", "ended", "stranger", "narrow", "redriven"))
        if kind == "none":
            return said
        if kind == "redriven":
            # The id of no redrive: it is looked up, and then the token counts.
            said = replace(said, headers=(*said.headers, (REDRIVE_HEADER, uuid4().hex.encode())))
            kind = "usual"
        return replace(said, headers=(*said.headers, *bearing(self._token(kind, _sender(said)))))

    def _token(self, kind: str, person: str) -> bytes:
        known = self._tokens.get((kind, person))
        if known is None:
            known = self._tokens[kind, person] = self._made(kind, person)
        return known

    def _made(self, kind: str, person: str) -> bytes:
        now = int(time.time())
        more: dict[str, Any] = {"exp": now + _SECONDS}
        match kind:
            case "forged":
                more["key"] = self._forger
            case "ended":
                more |= {"iat": now - 1000, "exp": now - 900}
            case "stranger":
                more["grants"] = _STRANGER
            case "narrow":
                more["grants"] = _NARROW
            case _:
                pass
        return self.issuer.token(person, **more)


def _sender(said: Said) -> str:
    """Return whom a command names as its sender, if it can be read and names a person."""
    named = dict(said.headers).get("ce_authid")
    if named is not None:
        return named.decode()
    try:
        event = json.loads(said.value or b"")
        person = event.get("authid")
    except (AttributeError, ValueError):
        person = None
    return person if isinstance(person, str) and person else _EVERYBODY
