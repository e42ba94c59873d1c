"""Messages to the service: commands and facts, as JSON in records like those of the broker."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.askers import Asker, Unidentified, Verified, grants_of
from schemas.asking import Checked
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.parsing import CommandMessage, FactMessage, read_command, read_fact
from schemas.policy import OperatorPolicy
from schemas.records import Record
from tests.support.model.people import person

COMMANDS, PROJECTS, PROFILES = "admin-commands", "projects", "payment-profiles"
_MAX_VALUE_BYTES = 256 * 1024


@dataclass(frozen=True)
class Token:
    """What a command's token says: whose it is (None: it does not hold), by which issuer, and what is granted."""

    person: str | None
    grants: tuple[dict[str, Any], ...] = ()
    issuer: str = "https://one.example"

    def checked(self) -> Checked:
        """Return what becomes of it."""
        if self.person is None:
            return Unidentified("it does not hold")
        return Verified(
            Asker(self.person, self.issuer, grants_of(list(self.grants))[0]), datetime.max.replace(tzinfo=UTC)
        )


@dataclass(frozen=True)
class Said:
    """One message: `type` without prefix and version, `id` and `authid` of its envelope, and its data.

    `expirytime` is an RFC 3339 instant, or None; `answer` asks for the result once more, or is any other value. With a
    `token`, that is what tells who asks.
    """

    type: str
    id: str
    data: dict[str, Any] = field(default_factory=dict)
    authid: str | None = "ann"
    expirytime: str | None = None
    source: str = "/stories"
    answer: str | None = None
    token: Token | None = None

    @property
    def asker(self) -> str | None:
        """Who asks, or reports; None for nobody."""
        if self.token is None:
            return self.authid if person(self.authid) else None
        who = self.token.person
        return who if self.authid is None or person(self.authid) == person(who) else None

    @property
    def topic(self) -> str:
        """The topic that it is sent to, without prefix."""
        return {"ProjectChanged": PROJECTS, "PaymentProfileChanged": PROFILES}.get(self.type, COMMANDS)

    @property
    def organization(self) -> str:
        """The organization that it is about."""
        return str(self.data["organization"])

    def value(self) -> bytes:
        """Return it as a structured CloudEvent in JSON."""
        attributes = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": f"io.milo.billing.{self.type}.v1",
            "authid": self.authid,
            "expirytime": self.expirytime,
            "answer": self.answer,
        }
        given = {name: text for name, text in attributes.items() if text is not None}
        return json.dumps(given | {"data": self.data}).encode()

    def message(self, offset: int) -> CommandMessage | FactMessage:
        """Return it as the service reads it from a record at an offset."""
        record = Record(
            topic=self.topic,
            partition=0,
            offset=offset,
            timestamp=datetime(2030, 1, 1, tzinfo=UTC),
            key=self.organization.encode(),
            headers=(("content-type", b"application/cloudevents+json"),),
            value=self.value(),
        )
        match self.topic:
            case "projects":
                return read_fact(record, ProjectChanged, _MAX_VALUE_BYTES)
            case "payment-profiles":
                return read_fact(record, PaymentProfileChanged, _MAX_VALUE_BYTES)
            case _:
                checked = None if self.token is None else self.token.checked()
                return read_command(record, _MAX_VALUE_BYTES, OperatorPolicy(), checked)


def instant(moment: datetime) -> str:
    """Format an instant as RFC 3339."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
