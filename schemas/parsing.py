"""Parses records into commands and facts, or a reason why they cannot be answered."""

import re
from functools import cache
from typing import Any

from pydantic import ValidationError

from schemas.askers import Asker, Unidentified
from schemas.asking import Checked, who_asks
from schemas.card_numbers import card_number_pointers, holds_no_card_number, is_card_number, without_card_numbers
from schemas.commands import COMMANDS, AnyCommand, TransferProjects, fingerprint, told
from schemas.envelope import CloudEvent, read_cloud_event
from schemas.facts import AnyFact, PaymentProfileChanged, ProjectChanged
from schemas.found import no_object, no_organization
from schemas.identifiers import is_identifier
from schemas.immutable import dataclass
from schemas.message_types import TYPE_PREFIX, type_of
from schemas.modes import attributes_and_data
from schemas.pointers import pointer
from schemas.policy import OperatorPolicy
from schemas.records import DeadLetterReason, Record, Unanswerable
from schemas.results import Reason, Violation, violation
from schemas.topics import Topic
from schemas.violations import faults_of, violations_of

_AGAIN = "again"
_COMMANDS_BY_TYPE = {type_of(name): command for name, command in COMMANDS.items()}
_TRANSFER = f"{TYPE_PREFIX}{TransferProjects.__name__}."
_FACT_TYPES: dict[type[AnyFact], re.Pattern[str]] = {
    fact: re.compile(rf"{re.escape(TYPE_PREFIX)}{fact.__name__}\.v([0-9]+)")
    for fact in (ProjectChanged, PaymentProfileChanged)
}
_TOPICS: dict[type[AnyFact], Topic] = {
    ProjectChanged: Topic.PROJECTS,
    PaymentProfileChanged: Topic.PAYMENT_PROFILES,
}

Identity = tuple[str, str, str]
"""What makes a command this one and no other: its organization, source and id (docs/contract.md section 6)."""


@dataclass(frozen=True, slots=True)
class CommandMessage:
    """A command that can be answered. `command` is None if its type is unknown or it is malformed.

    `known` is whether the type is known; `violations` are those of its form; `fingerprint` identifies its content.
    With `asks_again`, the result is published again if the command was answered before. `asker` is who sent it, or why
    that is unknown; `checked` is the outcome of checking its token, None if tokens are not checked.
    """

    record: Record
    event: CloudEvent
    organization: str
    known: bool
    command: AnyCommand | None
    violations: tuple[Violation, ...]
    fingerprint: bytes
    dry_run: bool
    asks_again: bool
    asker: Asker | Unidentified
    checked: Checked | None = None

    @property
    def identity(self) -> Identity:
        """Its organization, source and id."""
        return (self.organization, self.event.source, self.event.id)

    @property
    def sender(self) -> str | None:
        """The person who sent it, if known."""
        return self.asker.person if isinstance(self.asker, Asker) else None

    @property
    def model(self) -> type[AnyCommand] | None:
        """The class of the command by its type, if known."""
        return _COMMANDS_BY_TYPE.get(self.event.type)

    @property
    def told_fingerprint(self) -> str | None:
        """The fingerprint as results show it; None if a card number was sent, so that no trace of it is left."""
        return None if self._holds_card_number else told(self.fingerprint)

    @property
    def account(self) -> str | None:
        """The account that the command names, if well-formed; for a transfer, the target account."""
        return self._named("toAccount" if self.event.type.startswith(_TRANSFER) else "account")

    @property
    def project(self) -> str | None:
        """The project that the command names, if well-formed."""
        return self._named("project")

    def _named(self, member: str) -> str | None:
        model, name = self.model, self.event.data.get(member)
        if not is_identifier(name) or (model is not None and member not in _members(model)):
            return None
        return None if self._holds_card_number and is_card_number(name) else str(name)

    @property
    def _holds_card_number(self) -> bool:
        # Most commands have no violation, and this is called three times for each.
        return bool(self.violations) and any(broken.reason is Reason.CARD_NUMBER for broken in self.violations)


@dataclass(frozen=True, slots=True)
class FactMessage:
    """A fact and its envelope."""

    record: Record
    event: CloudEvent
    fact: AnyFact

    @property
    def sender(self) -> str:
        """The reporter: the fact's `authid`, if that is a valid name, else its `source`."""
        return self.event.sender or self.event.source


def read_command(
    record: Record, max_value_bytes: int, policy: OperatorPolicy, checked: Checked | None = None
) -> CommandMessage:
    """Parse a record of the command topic; `checked` is the outcome of checking its token, None if not checked.

    Raise Unanswerable for a record that only a dead letter can answer.
    """
    attributes, data = attributes_and_data(record, max_value_bytes)
    cards = _card_numbers(record, data)
    try:
        event = read_cloud_event(attributes, data, record)
        organization = data.get("organization") if isinstance(data, dict) else None
        if not isinstance(organization, str) or not is_identifier(organization):
            raise Unanswerable(DeadLetterReason.MISSING_ATTRIBUTE, no_organization(data, attributes))
        model = _COMMANDS_BY_TYPE.get(event.type)
        fact = _fact_of(event.type) if model is None else None
        if fact is not None:
            detail = f"facts have topics of their own: {fact.__name__} belongs on {_TOPICS[fact]}"
            raise Unanswerable(DeadLetterReason.UNKNOWN_TYPE, detail)
    except Unanswerable:
        if cards:
            raise _card_number() from None
        raise
    violations = [violation(Reason.INVALID, fault) for fault in event.faults]
    answer = attributes.get("answer")
    if answer not in (None, _AGAIN):
        violations.append(violation(Reason.INVALID, f"answer must be left out, or be {_AGAIN}"))
    command = None
    if model is not None:
        command, malformed = _validated(model, data, policy)
        violations += malformed
    violations += [
        violation(Reason.CARD_NUMBER, "looks like a card number, which is kept nowhere; send a token", field=field)
        for field in cards
    ]
    return CommandMessage(
        record=record,
        event=event,
        organization=organization,
        known=model is not None,
        command=None if violations else command,
        violations=tuple(violations),
        fingerprint=_fingerprint_of(None if cards else command, data, event),
        dry_run=data.get("dryRun") is True,
        asks_again=answer == _AGAIN,
        asker=who_asks(event, attributes.get("authid"), checked),
        checked=checked,
    )


def read_fact(record: Record, model: type[AnyFact], max_value_bytes: int) -> FactMessage:
    """Parse a record of a fact topic, which contains `model` only. Raise Unanswerable."""
    attributes, data = attributes_and_data(record, max_value_bytes)
    if _card_numbers(record, data):
        raise _card_number()
    event = read_cloud_event(attributes, data, record, is_fact=True)
    version = _FACT_TYPES[model].fullmatch(event.type)
    if version is None:
        detail = f"this topic holds {model.__name__} only{_hint_about(event.type, model)}"
        raise Unanswerable(DeadLetterReason.UNKNOWN_TYPE, detail)
    if version.group(1) != "1":
        raise Unanswerable(DeadLetterReason.UNSUPPORTED_VERSION, f"{model.__name__} is read in version 1 only")
    if not isinstance(data, dict):
        raise Unanswerable(DeadLetterReason.INVALID_FACT, no_object(data))
    try:
        return FactMessage(record, event, model.model_validate(data, by_alias=True, by_name=False))
    except ValidationError as error:
        detail = "; ".join(f"{pointer(path) or '/'}: {message}" for path, message in faults_of(error))
        raise Unanswerable(DeadLetterReason.INVALID_FACT, detail) from None


@cache
def _members(model: type[AnyCommand]) -> frozenset[str | None]:
    """Return the members that a command can have, by their names in JSON."""
    return frozenset(field.alias for field in model.model_fields.values())


def _fact_of(type_: str) -> type[AnyFact] | None:
    return next((fact for fact, pattern in _FACT_TYPES.items() if pattern.fullmatch(type_)), None)


def _hint_about(type_: str, wanted: type[AnyFact]) -> str:
    """Describe a type that does not belong on a fact topic, if recognized."""
    fact = _fact_of(type_)
    if fact is not None:
        return f", and this is {fact.__name__}: it belongs on {_TOPICS[fact]}"
    if type_ in _COMMANDS_BY_TYPE:
        return f", and this is a command: it belongs on {Topic.ADMIN_COMMANDS}"
    if wanted.__name__.lower() in type_.lower():
        return f": its type must be {type_of(wanted.__name__)}, in full"
    return ""


def organization_of(record: Record, max_value_bytes: int) -> str | None:
    """Return which organization an unanswerable record appears to belong to: the one in its data, else in its key."""
    try:
        _, data = attributes_and_data(record, max_value_bytes)
    except Unanswerable:
        data = None
    named = data.get("organization") if isinstance(data, dict) else None
    return named if is_identifier(named) else organization_of_key(record)


def organization_of_key(record: Record) -> str | None:
    """Return the organization named by a record's key, if that is a valid name."""
    key = (record.key or b"").decode(errors="replace")
    return key if is_identifier(key) else None


def _card_numbers(record: Record, data: Any) -> list[str]:
    return [] if record.value is None or holds_no_card_number(record.value) else card_number_pointers(data)


def _card_number() -> Unanswerable:
    return Unanswerable(
        DeadLetterReason.CARD_NUMBER, "the data holds what looks like a card number; nothing of it is kept"
    )


def _fingerprint_of(well_formed: AnyCommand | None, data: dict[str, Any], event: CloudEvent) -> bytes:
    if well_formed:
        return well_formed.fingerprint()
    # A card number leaves no trace, even in a hash; and a dry run has the same fingerprint as the command itself.
    members = {name: value for name, value in data.items() if name != "dryRun" or not isinstance(value, bool | None)}
    return fingerprint(event.type, without_card_numbers(members))


def _validated(model: type[AnyCommand], data: Any, policy: OperatorPolicy) -> tuple[AnyCommand | None, list[Violation]]:
    """Return the command and its violations.

    A command that only the operator's policy refuses is returned too: its fingerprint does not depend on the policy.
    """
    try:
        return model.model_validate(data, by_alias=True, by_name=False, context={"policy": policy}), []
    except ValidationError as error:
        refused = violations_of(error)
    try:
        return model.model_validate(data, by_alias=True, by_name=False), refused
    except ValidationError as error:
        return None, violations_of(error)
