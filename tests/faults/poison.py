"""One of each kind that the service must refuse, or cannot even answer."""

from dataclasses import replace
from typing import Any

from schemas.topics import Topic
from tests.support.messages import Said, command, profile, project

_CARD_NUMBER = "4111 1111 1111 1111"


def refusals(binding: dict[str, Any]) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return commands that are usually refused, by name and with their members; `binding` has those of a valid one."""
    return (
        ("BindProject", {"project": "nowhere", "account": "missing"}),
        ("BindProject", binding | {"colour": "red"}),
        ("BindProject", binding | {"ce_authid": None}),
        ("BindProject", binding | {"ce_authid": "system:cron"}),
        ("FlyProject", {"project": "p0"}),
        ("SuspendAccount", {"account": "missing", "reason": "Administrative"}),
        ("UpdateAccount", {"account": "a", "displayName": _CARD_NUMBER}),
        ("CreateAccount", {"account": binding["account"]}),
    )


def poison(organization: str, event_id: str, topic: Topic) -> tuple[Said, ...]:
    """Return records that only a dead letter can answer, some for this topic, the others for their own."""
    key = organization.encode()
    members: dict[str, Any] = {"project": "p0", "account": "a"}
    fact = project(organization, "p0", ce_id=event_id)
    return (
        Said(topic, key, b"{ this is no JSON"),
        Said(topic, key, b"\xff\xfe"),
        Said(topic, key, None),
        Said(topic, key, b"[1, 2]"),
        Said(topic, None, b"{}"),
        command("BindProject", event_id, organization, ce_source=None, **members),
        command("BindProject", event_id, organization, ce_specversion="2.0", **members),
        command("BindProject", event_id, "No Name", **members),
        replace(fact, topic=Topic.ADMIN_COMMANDS),
        replace(fact, topic=Topic.PAYMENT_PROFILES),
        project(organization, "p0", state="Flying", ce_id=event_id),
        project(organization, "p0", 0, ce_id=event_id),
        project(organization, "p0", ce_type="io.milo.billing.ProjectChanged.v7", ce_id=event_id),
        profile(organization, "card", kind="Cash", ce_id=event_id),
        profile(organization, "card", 999, reference=_CARD_NUMBER, ce_id=event_id),
    )
