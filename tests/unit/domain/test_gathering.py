"""What a batch has to know before it is decided: of each message what it names, and no more."""

from dataclasses import fields
from typing import Any

import pytest

from domain.dead_letters import Dead
from domain.gathering import needs_of
from domain.messages import Due, DueKind, Message
from domain.needs import Needs, Refused
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.parsing import CommandMessage, FactMessage
from schemas.records import DeadLetterReason
from tests.unit.schemas.building import ATTACH, BIND, CREATE, PROFILE, PROJECT, SUSPEND, command, fact, structured

A, P1, CARD = ("acme", "a"), ("acme", "p1"), ("acme", "card-1")
IDENTITY = ("acme", "/tests", "c-1")
MOVE = {"organization": "acme", "fromAccount": "a", "toAccount": "b"}
OF_ACCOUNT = {"accounts": {A}, "turning": {A}}
OF_BINDING = {"accounts": {A}, "projects": {P1}}
DEAD = Dead(structured("BindProject", BIND), DeadLetterReason.INVALID_FACT, "why", False, "acme")


def _needed(message: Message) -> dict[str, Any]:
    """Return all that a message needs, but its record."""
    needs = needs_of([message])
    found = {field.name: getattr(needs, field.name) for field in fields(Needs) if field.name != "records"}
    return {name: keys for name, keys in found.items() if keys}


def test_every_record_is_looked_up() -> None:
    messages: list[CommandMessage | FactMessage | Dead] = [
        DEAD,
        command(structured("BindProject", BIND)),
        command(structured("BindProject", BIND | {"project": 7})),
        fact(structured("ProjectChanged", PROJECT), ProjectChanged),
        fact(structured("PaymentProfileChanged", PROFILE), PaymentProfileChanged),
    ]
    assert needs_of(messages).records == [message.record for message in messages]


@pytest.mark.parametrize(
    ("name", "data", "needed"),
    (
        ("BindProject", BIND, OF_BINDING),
        ("CancelScheduledBinding", {"organization": "acme", "project": "p1"}, {"projects": {P1}}),
        ("TransferProjects", MOVE, {"accounts": {A, ("acme", "b")}, "emptied": {A}}),
        ("TransferProjects", MOVE | {"projects": ["p1"]}, {"accounts": {A, ("acme", "b")}, "projects": {P1}}),
        ("SetDefaultAccount", CREATE, {"organizations": {"acme"}, "accounts": {A}}),
        ("SetDefaultAccount", CREATE | {"account": None}, {"organizations": {"acme"}}),
        ("CreateAccount", CREATE, OF_ACCOUNT),
        ("CreateAccount", ATTACH, OF_ACCOUNT | {"payment_profiles": {CARD}}),
        ("AttachPaymentProfile", ATTACH, OF_ACCOUNT | {"payment_profiles": {CARD}}),
        ("UpdateAccount", CREATE, OF_ACCOUNT | {"contacts": {A}}),
        ("SuspendAccount", SUSPEND, OF_ACCOUNT),
        ("ApproveClosure", CREATE, OF_ACCOUNT | {"organizations": {"acme"}}),
        ("WithdrawClosure", CREATE, OF_ACCOUNT),
        ("FrobnicateAccount", CREATE, {}),
        ("BindProject", BIND | {"project": 7}, {}),
    ),
)
def test_what_a_command_needs(name: str, data: dict[str, Any], needed: dict[str, Any]) -> None:
    message = command(structured(name, data))
    assert _needed(message) == {"boundaries": {"acme"}, "identities": {IDENTITY}} | needed


def test_whether_it_was_answered_is_looked_up_of_whoever_is_let_in() -> None:
    dry_run, found = BIND | {"dryRun": True}, {"boundaries": {"acme"}}
    assert _needed(command(structured("BindProject", dry_run, answer="again"))) == found | OF_BINDING
    again = {"identities": {IDENTITY}, "asked_again": {IDENTITY}}
    assert _needed(command(structured("BindProject", BIND, answer="again"))) == found | OF_BINDING | again
    refused = command(structured("BindProject", BIND, authid=None, answer="again"))
    assert _needed(refused) == found | {"refused": [Refused(refused.record, IDENTITY, refused.fingerprint)]}
    assert _needed(command(structured("BindProject", dry_run, authid=None))) == found


@pytest.mark.parametrize(
    ("message", "needed"),
    (
        (DEAD, {}),
        (fact(structured("ProjectChanged", PROJECT), ProjectChanged), {"organizations": {"acme"}, "projects": {P1}}),
        (
            fact(structured("ProjectChanged", PROJECT | {"uid": "u"}), ProjectChanged),
            {"organizations": {"acme"}, "projects": {P1}, "uids": {(*P1, "u")}},
        ),
        (
            fact(structured("PaymentProfileChanged", PROFILE), PaymentProfileChanged),
            {"payment_profiles": {CARD}, "reported_profiles": {CARD}},
        ),
        (Due(DueKind.SCHEDULED_BINDING, *P1), {"projects": {P1}}),
        (Due(DueKind.WAITING_BINDING, *P1), {"projects": {P1}}),
        (Due(DueKind.PAYMENT_PROFILE, *CARD), {"payment_profiles": {CARD}, "reported_profiles": {CARD}}),
        (Due(DueKind.FAN_OUT, *A), {"fan_outs": {A}}),
    ),
)
def test_what_else_needs(message: Message, needed: dict[str, Any]) -> None:
    assert _needed(message) == {"boundaries": {"acme"}} | needed
