"""The judge's own idea of what a token is worth (docs/contract.md section 12); it believes all but forged ones."""

import json
import unicodedata
from base64 import urlsafe_b64decode
from datetime import datetime
from typing import Any, NamedTuple

from tests.faults.judge.evidence import Headers, Json
from tests.faults.signing import FORGED

LEEWAY_SECONDS = 60


class Checked(NamedTuple):
    """What came of a token: whose it is (None if it does not hold), what it grants, and for which command it is."""

    person: str | None
    grants: list[Json]
    command: Json | None

    def sender_of(self, authid: Any, source: str, command_id: str) -> str | None:
        """Return who asks a command, which says of its sender what `authid` says; None for nobody."""
        if self.person is None or self.command not in (None, {"source": source, "id": command_id}):
            return None
        is_another = authid is not None and person(str(authid)) != person(self.person)
        return None if is_another else self.person


def checked(headers: Headers, stamp: datetime) -> Checked:
    """Return what a record's token is worth as of the instant at which the broker got it."""
    said = [text for name, text in headers if name.lower() in ("authorization", "ce_authorization")]
    if len(said) != 1 or said[0] is None:
        return _NOTHING
    head, claims = (_decoded(part) for part in said[0].removeprefix(b"Bearer ").split(b".")[:2])
    if head["kid"] == FORGED or stamp.timestamp() >= claims["exp"] + LEEWAY_SECONDS:
        return _NOTHING
    return Checked(claims["sub"], claims["grants"], claims.get("command"))


def person(name: str) -> str:
    """Return the form that all spellings of one person's name share."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _decoded(part: bytes) -> Any:
    return json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))


_NOTHING = Checked(None, [], None)
