"""The judge's own reading of what was sent (docs/contract.md, sections 2, 3 and 6), as far as the load needs."""

import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from tests.faults.judge.evidence import Heard, Json, Place
from tests.faults.judge.tokens import Checked, person
from tests.support.model.rights import lacking

ON_ACCOUNTS = frozenset(
    (
        "UpdateAccount",
        "AttachPaymentProfile",
        "DetachPaymentProfile",
        "SuspendAccount",
        "RequestReactivation",
        "ApproveReactivation",
        "ReportBalance",
        "RequestClosure",
        "ApproveClosure",
        "WithdrawClosure",
    )
)
"""Commands to an account that must exist already."""
COMMANDS = ON_ACCOUNTS | {
    "CreateAccount",
    "BindProject",
    "CancelScheduledBinding",
    "TransferProjects",
    "SetDefaultAccount",
}
_FACTS = {"projects": "ProjectChanged", "payment-profiles": "PaymentProfileChanged"}
_STATES = {"projects": ("Active", "Inactive", "Deleted"), "payment-profiles": ("Valid", "Invalid", "Removed")}
_KINDS = ("CreditCard", "DirectDebit", "BankTransfer", "Invoice")
_STRUCTURED = b"application/cloudevents"
_TYPE = re.compile(r"io\.milo\.billing\.([A-Za-z]+)\.v([0-9]+)")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LARGEST_BYTES = 256 * 1024
_LONGEST_NAME = 256
_UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Cn")
"""Categories of invisible characters, as far as the load sends any."""


class Asked(NamedTuple):
    """A command that must be answered. `kind` is its name, or its whole type if no command has that name.

    `sender` is who asks: where tokens are checked its token's person, if the command may be that person's. What the
    person was granted are `grants`, and None where nothing needs to be.
    """

    place: Place
    organization: str
    source: str
    id: str
    kind: str
    data: Json
    sender: str | None
    expires: datetime | None
    asks_again: bool
    grants: list[Json] | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """What identifies it within its organization."""
        return (self.source, self.id)

    @property
    def is_dry(self) -> bool:
        """Whether it only asks what would happen."""
        return self.data.get("dryRun") is True

    @property
    def has_known_sender(self) -> bool:
        """Whether it says who asks."""
        name = self.sender or ""
        is_seen = name == name.strip() and not any(unicodedata.category(one) in _UNSEEN for one in name)
        return 1 <= len(name) <= _LONGEST_NAME and is_seen and not person(name).startswith("system:")

    @property
    def is_admitted(self) -> bool:
        """Whether it is known who asks, who has every right that the command needs."""
        if not self.has_known_sender:
            return False
        return self.grants is None or not lacking(self.kind, self.data, self.organization, self.grants)

    @property
    def holds_card_number(self) -> bool:
        """Whether something that looks like a card number was sent."""
        return _holds_card_number(self.data)

    def meaning(self) -> str:
        """Return its meaning, regardless of spelling, order of members, mode and sender."""
        null_says_something = ("expectedAccount", "displayName", "contact", "account")
        said = {name: on for name, on in self.data.items() if on is not None or name in null_says_something}
        defaults = (("dryRun", False), ("waitSeconds", 0))
        said = {name: on for name, on in said.items() if (name, on) not in defaults}
        return json.dumps([self.kind, said], sort_keys=True)


class Reported(NamedTuple):
    """A fact. `name` is the project's or the payment profile's."""

    place: Place
    organization: str
    id: str
    name: str
    data: Json
    by: str


class Poison(NamedTuple):
    """A record that only a dead letter can answer."""

    place: Place
    reason: str


def is_redriven(heard: Heard) -> bool:
    """Return whether a record was put on its topic again from a dead letter."""
    return any(name == "whopays-redriven" for name, _ in heard.headers)


def read(heard: Heard, token: Checked | None = None) -> Asked | Reported | Poison:
    """Return what a record contains, where tokens are checked (None: they are not)."""
    if heard.value is None:
        return Poison(heard.place, "Tombstone")
    if len(heard.value) > _LARGEST_BYTES:
        return Poison(heard.place, "TooLarge")
    try:
        value = json.loads(heard.value)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        return Poison(heard.place, "Undecodable")
    binary = {name[3:]: (text or b"").decode() for name, text in heard.headers if name.startswith("ce_")}
    event: Json
    data: Any
    is_named = any(name == "content-type" and (text or b"").startswith(_STRUCTURED) for name, text in heard.headers)
    is_binary = "specversion" in binary and not (is_named and "specversion" in value)
    event, data = (binary, value) if is_binary else (value, value.get("data"))
    fault = _fault(heard.topic, event, data)
    if fault and (fault == "CardNumber" or _holds_card_number(data)):
        return Poison(heard.place, "CardNumber")
    if fault:
        return Poison(heard.place, fault)
    if heard.topic in _FACTS:
        name = data["project" if heard.topic == "projects" else "paymentProfile"]
        by = event.get("authid") or event["source"]
        return Reported(heard.place, data["organization"], event["id"], name, data, by)
    named = _TYPE.fullmatch(event["type"])
    kind = named[1] if named and named[2] == "1" and named[1] in COMMANDS else event["type"]
    expires = datetime.fromisoformat(event["expirytime"]) if event.get("expirytime") else None
    who, grants = event.get("authid"), None
    if token is not None:
        who, grants = token.sender_of(who, event["source"], event["id"]), token.grants
    again = event.get("answer") == "again"
    return Asked(
        heard.place, data["organization"], event["source"], event["id"], kind, data, who, expires, again, grants
    )


def _fault(topic: str, event: Json, data: Any) -> str | None:
    if topic in _FACTS and _holds_card_number(data):
        return "CardNumber"
    if not isinstance(event.get("specversion"), str):
        return "MissingAttribute"
    if event["specversion"] != "1.0":
        return "UnsupportedVersion"
    if not all(isinstance(event.get(name), str) and event[name] for name in ("id", "source", "type")):
        return "MissingAttribute"
    named = _TYPE.fullmatch(event["type"])
    organization = data.get("organization") if isinstance(data, dict) else None
    is_named = isinstance(organization, str) and _NAME.fullmatch(organization) is not None
    if topic not in _FACTS:
        if not is_named:
            return "MissingAttribute"
        return "UnknownType" if named and named[1] in _FACTS.values() else None
    if named is None or named[1] != _FACTS[topic]:
        return "UnknownType"
    if named[2] != "1":
        return "UnsupportedVersion"
    return None if is_named and _is_valid_fact(topic, data) else "InvalidFact"


def _is_valid_fact(topic: str, data: Json) -> bool:
    name = data.get("project" if topic == "projects" else "paymentProfile")
    is_named = isinstance(name, str) and _NAME.fullmatch(name) is not None
    is_versioned = type(data.get("version")) is int and data["version"] >= 1
    is_of_a_kind = topic == "projects" or data.get("kind") in _KINDS
    return is_named and is_versioned and is_of_a_kind and data.get("state") in _STATES[topic]


def _holds_card_number(data: Any) -> bool:
    return any(_is_card_number(re.sub("[ -]", "", text)) for text in _texts(data))


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for name, value in data.items():
            yield name
            yield from _texts(value)
    elif isinstance(data, list):
        for one in data:
            yield from _texts(one)


def _is_card_number(text: str) -> bool:
    if not (text.isascii() and text.isdecimal() and 13 <= len(text) <= 19):
        return False
    digits = [int(digit) for digit in reversed(text)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
