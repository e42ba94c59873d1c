"""Commands and facts as upstream services send them, in both CloudEvents modes."""

from dataclasses import dataclass
from typing import Any

import orjson

from schemas.message_types import type_of
from schemas.topics import Topic
from tests.support.contract_files import check_sent

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True)
class Said:
    """A record to send; `topic` is without prefix."""

    topic: Topic
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    def __post_init__(self) -> None:
        """Hold it against the published schemas: most tests send what is made here."""
        check_sent(self.topic, self.key, self.value, self.headers)


def command(name: str, command_id: str, organization: str, *, binary: bool = False, **data: Any) -> Said:
    """Return a command by `alice`; a member that begins with `ce_` is an attribute instead (None removes it)."""
    return _event(Topic.ADMIN_COMMANDS, name, command_id, organization, binary, data)


def project(
    organization: str, name: str, version: int = 1, *, state: str = "Active", binary: bool = False, **data: Any
) -> Said:
    """Return a fact about a project."""
    data = {"project": name, "state": state, "version": version, **data}
    return _event(Topic.PROJECTS, "ProjectChanged", f"{name}-{version}", organization, binary, data)


def profile(
    organization: str, name: str = "card", version: int = 1, *, state: str = "Valid", binary: bool = False, **data: Any
) -> Said:
    """Return a fact about a payment profile, a credit card."""
    data = {"paymentProfile": name, "kind": "CreditCard", "state": state, "version": version, **data}
    return _event(Topic.PAYMENT_PROFILES, "PaymentProfileChanged", f"{name}-{version}", organization, binary, data)


def account(organization: str, name: str, **data: Any) -> Said:
    """Return the command that creates an account that is Ready as soon as the profile `card` is valid."""
    complete = {"currencyCode": "EUR", "paymentTerms": {}, "paymentProfile": "card", **data}
    return command("CreateAccount", f"create-{name}", organization, account=name, **complete)


def bind(organization: str, name: str, payer: str, command_id: str, **data: Any) -> Said:
    """Return the command that binds a project to an account."""
    return command("BindProject", command_id, organization, project=name, account=payer, **data)


def _event(topic: Topic, name: str, event_id: str, organization: str, binary: bool, data: dict[str, Any]) -> Said:
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/tests",
        "type": type_of(name),
        "authid": "alice",
    }
    attributes |= {member[3:]: data[member] for member in data if member.startswith("ce_")}
    attributes = {member: value for member, value in attributes.items() if value is not None}
    content = {"organization": organization} | {
        member: value for member, value in data.items() if not member.startswith("ce_")
    }
    if binary:
        headers: Headers = tuple((f"ce_{member}", str(value).encode()) for member, value in attributes.items())
        return Said(topic, organization.encode(), orjson.dumps(content), headers)
    return Said(topic, organization.encode(), orjson.dumps({**attributes, "data": content}))
