"""Commands and facts of one organization, as records that need no broker."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import orjson

from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.message_types import type_of
from schemas.parsing import CommandMessage, FactMessage, read_command, read_fact
from schemas.policy import OperatorPolicy
from schemas.records import Record
from schemas.topics import Topic
from tests.support.contract_files import check_read

ORGANIZATION = "acme"
_LARGEST_BYTES = 1_000_000
_offsets = count()


def command(
    name: str, command_id: str, *, organization: str = ORGANIZATION, sender: str = "alice", **data: Any
) -> Record:
    """Return a command."""
    return _record(Topic.ADMIN_COMMANDS, name, command_id, organization, sender, data)


def account(name: str, **data: Any) -> Record:
    """Return the command that creates an account that is Ready as soon as the profile `card` is valid."""
    complete = {"currencyCode": "EUR", "paymentTerms": {}, "paymentProfile": "card", **data}
    return command("CreateAccount", f"create-{name}", account=name, **complete)


def bind(project: str, payer: str, command_id: str, **data: Any) -> Record:
    """Return the command that makes an account the payer of a project."""
    return command("BindProject", command_id, project=project, account=payer, **data)


def suspend(name: str, command_id: str, **data: Any) -> Record:
    """Return the command that places a hold."""
    return command("SuspendAccount", command_id, account=name, **{"reason": "PaymentFailure", **data})


def reactivate(name: str, command_id: str, **data: Any) -> list[Record]:
    """Return the two commands, by two people, that lift all holds."""
    return [
        command("RequestReactivation", f"{command_id}-request", account=name, resolution="paid", **data),
        command("ApproveReactivation", f"{command_id}-approve", account=name, sender="bob", **data),
    ]


def transfer(source: str, target: str, command_id: str, **data: Any) -> Record:
    """Return the command that moves all projects, or `projects`, from an account to another."""
    return command("TransferProjects", command_id, fromAccount=source, toAccount=target, **data)


def project(
    name: str, version: int = 1, state: str = "Active", *, organization: str = ORGANIZATION, **data: Any
) -> Record:
    """Return a fact about a project."""
    said = {"project": name, "state": state, "version": version, **data}
    return _record(Topic.PROJECTS, "ProjectChanged", f"{name}-{version}", organization, None, said)


def profile(version: int = 1, state: str = "Valid", *, name: str = "card", **data: Any) -> Record:
    """Return a fact about a payment profile, a credit card."""
    said = {"paymentProfile": name, "kind": "CreditCard", "state": state, "version": version, **data}
    organization = said.pop("organization", ORGANIZATION)
    return _record(Topic.PAYMENT_PROFILES, "PaymentProfileChanged", f"{name}-{version}", organization, None, said)


def read(record: Record) -> CommandMessage | FactMessage:
    """Read a record as its consumer does."""
    if record.topic == Topic.ADMIN_COMMANDS:
        return read_command(record, _LARGEST_BYTES, OperatorPolicy())
    model = ProjectChanged if record.topic == Topic.PROJECTS else PaymentProfileChanged
    return read_fact(record, model, _LARGEST_BYTES)


def _record(
    topic: Topic, name: str, event_id: str, organization: str, sender: str | None, data: dict[str, Any]
) -> Record:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/tests",
        "type": type_of(name),
        **({"authid": sender} if sender else {}),
        "data": {"organization": organization, **data},
    }
    key = organization.encode()
    record = Record(topic, 0, next(_offsets), datetime.now(UTC), key, (), orjson.dumps(event))
    check_read(record)
    return record
