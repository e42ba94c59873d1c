"""Collects what must be loaded before a batch is decided: everything that its messages name."""

from collections.abc import Iterable
from typing import assert_never

from domain.commands import RULES
from domain.dead_letters import Dead
from domain.identity import admission
from domain.messages import Due, DueKind, Message
from domain.needs import Needs, Refused
from domain.state import Key
from schemas.facts import AnyFact, PaymentProfileChanged, ProjectChanged
from schemas.parsing import CommandMessage, FactMessage


def needs_of(messages: Iterable[Message]) -> Needs:
    """Return the keys that the messages name."""
    needs = Needs()
    for message in messages:
        match message:
            case CommandMessage():
                needs.records.append(message.record)
                _of_command(message, needs)
            case FactMessage():
                needs.records.append(message.record)
                _of_fact(message.fact, needs)
            case Dead():
                needs.records.append(message.record)
                needs.boundaries.add(message.boundary)
            case Due():
                _of_due(message, needs)
            case _:
                assert_never(message)
    return needs


def _of_command(message: CommandMessage, needs: Needs) -> None:
    needs.boundaries.add(message.organization)
    identity = message.identity
    if admission(message).missing:
        if not message.dry_run:
            needs.refused.append(Refused(message.record, identity, message.fingerprint))
        return
    if not message.dry_run:
        needs.identities.add(identity)
        if message.asks_again:
            needs.asked_again.add(identity)
    if message.command is not None:
        RULES[type(message.command)].needs(message.command, needs)


def _of_fact(fact: AnyFact, needs: Needs) -> None:
    organization = fact.organization
    needs.boundaries.add(organization)
    match fact:
        case ProjectChanged(project=project, uid=uid):
            needs.organizations.add(organization)
            needs.projects.add((organization, project))
            if uid is not None:
                needs.uids.add((organization, project, uid))
        case PaymentProfileChanged(payment_profile=payment_profile):
            _reported((organization, payment_profile), needs)
        case _:
            assert_never(fact)


def _of_due(due: Due, needs: Needs) -> None:
    needs.boundaries.add(due.organization)
    key = (due.organization, due.name)
    match due.kind:
        case DueKind.SCHEDULED_BINDING | DueKind.WAITING_BINDING:
            needs.projects.add(key)
        case DueKind.PAYMENT_PROFILE:
            _reported(key, needs)
        case DueKind.FAN_OUT:
            needs.fan_outs.add(key)
        case _:
            assert_never(due.kind)


def _reported(payment_profile: Key, needs: Needs) -> None:
    needs.payment_profiles.add(payment_profile)
    needs.reported_profiles.add(payment_profile)
