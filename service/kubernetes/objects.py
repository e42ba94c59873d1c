"""The objects as clients see them, with the members of docs/contract.md section 11 and no personal data."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from schemas.instants import format_instant
from service.kubernetes.resources import (
    ACCOUNT,
    BILLING_ACCOUNT_BINDINGS,
    BILLING_ACCOUNTS,
    NAME,
    PHASE,
    PROJECT,
    PROJECTS,
    Resource,
)

Object = dict[str, Any]

ACTIVE, SUPERSEDED, RELEASED = "Active", "Superseded", "Released"
BINDING_PHASES = (ACTIVE, SUPERSEDED, RELEASED)
_TERMS = ("netDays", "invoiceFrequency", "invoiceDayOfMonth")
_CONDITION = ("type", "status", "reason", "message", "lastTransitionTime")


def billing_account(
    organization: str,
    state: Mapping[str, Any],
    *,
    profile_kind: str | None,
    linked_projects: int,
    created_at: datetime,
    position: int,
) -> Object:
    """Return an account; `state` has the members of `AccountChanged`, only some of which are shown."""
    name = str(state["account"])
    spec: Object = {}
    if state["currencyCode"] is not None:
        spec["currencyCode"] = state["currencyCode"]
    if state["paymentTerms"] is not None:
        spec["paymentTerms"] = {member: state["paymentTerms"][member] for member in _TERMS}
    if state["paymentProfile"] is not None:
        kind = {} if profile_kind is None else {"kind": profile_kind}
        spec["paymentProfile"] = {"name": state["paymentProfile"], **kind}
    return {
        **_head(BILLING_ACCOUNTS, organization, name, position, created_at),
        "spec": spec,
        "status": {
            "phase": state["phase"],
            "conditions": [{member: one[member] for member in _CONDITION} for one in state["conditions"]],
            "linkedProjectsCount": linked_projects,
        },
    }


def billing_account_binding(
    organization: str,
    project: str,
    number: int,
    account: str,
    established_at: datetime,
    position: int,
    *,
    ended_at: datetime | None = None,
    phase: str = ACTIVE,
) -> Object:
    """Return a binding; `number` is the `sequence` of the event that began it."""
    established = format_instant(established_at)
    responsibility = {"establishedAt": established}
    if ended_at is None:
        condition = _condition("Bound", ACTIVE, "the account pays for the project", established)
        responsibility["currentAccount"] = account
    else:
        ended = format_instant(ended_at)
        message = "another account pays now" if phase == SUPERSEDED else "the account no longer pays for the project"
        condition = _condition("Bound", phase, message, ended)
        responsibility["endedAt"] = ended
    return {
        **_head(BILLING_ACCOUNT_BINDINGS, organization, f"{project}-{number}", position, established_at),
        "spec": {"projectRef": {"name": project}, "billingAccountRef": {"name": account}},
        "status": {"phase": phase, "conditions": [condition], "billingResponsibility": responsibility},
    }


def project_object(
    organization: str,
    project: str,
    position: int,
    *,
    is_active: bool,
    account: str | None,
    established_at: datetime | None,
) -> Object:
    """Return a project; it has no `creationTimestamp`, because the time of its first report is not stored."""
    condition = {
        "type": "Ready",
        "status": "True" if is_active else "False",
        "reason": "ProjectActive" if is_active else "ProjectInactive",
        "message": "the project is active" if is_active else "the project is inactive",
    }
    status: Object = {"conditions": [condition]}
    if account is not None and established_at is not None:
        status["billingResponsibility"] = {"account": account, "establishedAt": format_instant(established_at)}
    return {
        **_head(PROJECTS, organization, project, position),
        "spec": {"organizationRef": {"name": organization}},
        "status": status,
    }


def namespace(organization: str) -> Object:
    """Return the namespace that stands for an organization, whether or not the organization is known."""
    return {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": organization, "uid": _uid(f"/Namespace/{organization}")},
        "spec": {},
        "status": {"phase": "Active"},
    }


def fields_of(resource: Resource, shown: Object) -> dict[str, str]:
    """Return the values of the selectable fields of an object."""
    fields = {NAME: shown["metadata"]["name"]}
    if PHASE in resource.fields:
        fields[PHASE] = shown["status"]["phase"]
    if PROJECT in resource.fields:
        fields[PROJECT] = shown["spec"]["projectRef"]["name"]
    if ACCOUNT in resource.fields:
        fields[ACCOUNT] = shown["spec"]["billingAccountRef"]["name"]
    return fields


def at_position(shown: Object, position: int) -> Object:
    """Return an object with another `resourceVersion`."""
    return {**shown, "metadata": {**shown["metadata"], "resourceVersion": str(position)}}


def _head(
    resource: Resource, organization: str, name: str, position: int, created_at: datetime | None = None
) -> Object:
    metadata = {
        "name": name,
        "namespace": organization,
        "uid": _uid(f"{resource.group}/{resource.kind}/{organization}/{name}"),
        "resourceVersion": str(position),
    }
    if created_at is not None:
        metadata["creationTimestamp"] = format_instant(created_at)
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _uid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def _condition(type_: str, phase: str, message: str, since: str) -> dict[str, str]:
    return {
        "type": type_,
        "status": "True" if phase == ACTIVE else "False",
        "reason": "Bound" if phase == ACTIVE else phase,
        "message": message,
        "lastTransitionTime": since,
    }
