"""Records as Kafka hands them over, in both CloudEvents modes."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from schemas.asking import Checked
from schemas.facts import AnyFact, PaymentProfileChanged, ProjectChanged
from schemas.parsing import CommandMessage, FactMessage, read_command, read_fact
from schemas.policy import OperatorPolicy
from schemas.records import Record, Unanswerable
from schemas.results import Reason
from tests.support.contract_files import check_read

RECORDED_AT = datetime(2027, 1, 31, 12, tzinfo=UTC)
MAX_VALUE_BYTES = 256 * 1024
_TOPICS: dict[type[AnyFact], str] = {
    ProjectChanged: "billing.projects",
    PaymentProfileChanged: "billing.payment-profiles",
}
CARD = "4111111111111111"

Headers = tuple[tuple[str, bytes | None], ...]


def record(
    value: bytes | None, headers: Headers = (), *, topic: str = "billing.admin-commands", offset: int = 7
) -> Record:
    """Return a record with this value, as it was read."""
    return Record(topic, 3, offset, RECORDED_AT, b"acme", headers, value)


def attributes(name: str, changed: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a message in order, changed as told; None leaves one out."""
    usual = {
        "specversion": "1.0",
        "id": "c-1",
        "source": "/tests",
        "type": name if "." in name else f"io.milo.billing.{name}.v1",
        "authid": "alice",
    }
    return {attribute: value for attribute, value in (usual | changed).items() if value is not None}


def structured(name: str, data: Any, **changed: Any) -> Record:
    """Return a record in structured mode; `name` is that of the message, or a `type` in full."""
    return record(json.dumps(attributes(name, changed) | {"data": data}).encode())


def binary(name: str, data: Any, **changed: str | None) -> Record:
    """Return a record in binary mode; `name` is that of the message, or a `type` in full."""
    headers = tuple((f"ce_{key}", text.encode()) for key, text in attributes(name, changed).items())
    return record(json.dumps(data).encode(), headers)


def command(of: Record, policy: OperatorPolicy | None = None, checked: Checked | None = None) -> CommandMessage:
    """Read a command with the usual bound on its size; the operator narrows nothing unless told.

    No token is checked, unless it is told what became of it.
    """
    check_read(of)
    return read_command(of, MAX_VALUE_BYTES, policy or OperatorPolicy(), checked)


def fact(of: Record, model: type[AnyFact]) -> FactMessage:
    """Read a fact with the usual bound on its size."""
    check_read(replace(of, topic=_TOPICS[model]))
    return read_fact(of, model, MAX_VALUE_BYTES)


def refusal(read: Callable[[], object]) -> Unanswerable:
    """Return what is raised when a record can only become a dead letter."""
    try:
        read()
    except Unanswerable as unanswerable:
        return unanswerable
    raise AssertionError("was read, but should not be")


BIND = {"organization": "acme", "project": "p1", "account": "a"}
CREATE = {"organization": "acme", "account": "a"}
ATTACH = {"organization": "acme", "account": "a", "paymentProfile": "card-1"}
SUSPEND = {"organization": "acme", "account": "a", "reason": "PaymentFailure"}
PROJECT = {"organization": "acme", "project": "p1", "state": "Active", "version": 1}
PROFILE = {"organization": "acme", "paymentProfile": "card-1", "kind": "CreditCard", "state": "Valid", "version": 1}


def faults(message: CommandMessage) -> list[str]:
    """Return which attributes a command is refused for, and insist that nothing else is wrong with it."""
    assert {violation.reason for violation in message.violations} <= {Reason.INVALID}
    return [violation.message.partition(" ")[0] for violation in message.violations]
