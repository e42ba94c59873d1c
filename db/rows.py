"""Records as rows, and rows as records: for each table its columns with their types, and the two directions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter

from domain.state import (
    Account,
    Balance,
    Binding,
    FanOut,
    Organization,
    Origin,
    PaymentProfile,
    PendingBinding,
    Project,
)
from schemas.commands import BindProject
from schemas.events import Closure, Condition, Hold, NoticeKind, Phase, PhaseReason
from schemas.policy import STORED
from schemas.preferences import Preferences
from schemas.terms import PaymentTerms

ORGANIZATION_TYPES = {"organization": "text", "default_account": "text"}
ACCOUNT_TYPES = {
    "organization": "text",
    "account": "text",
    "version": "bigint",
    "phases": "integer",
    "sequence": "bigint",
    "phase": "text",
    "conditions": "jsonb",
    "display_name": "text",
    "currency_code": "text",
    "payment_terms": "jsonb",
    "preferences": "jsonb",
    "payment_profile": "text",
    "holds": "jsonb",
    "closure": "jsonb",
    "activated_at": "timestamptz",
    "outstanding": "numeric",
    "outstanding_currency_code": "text",
    "outstanding_as_of": "timestamptz",
}
PROJECT_TYPES = {
    "organization": "text",
    "project": "text",
    "state": "text",
    "version": "bigint",
    "uid": "text",
    "display_name": "text",
    "bindings": "bigint",
    "sequence": "bigint",
    "last_ended_at": "timestamptz",
}
PROFILE_TYPES = {
    "organization": "text",
    "payment_profile": "text",
    "kind": "text",
    "state": "text",
    "version": "bigint",
    "reference": "text",
    "country": "text",
    "expires_at": "timestamptz",
    "reason": "text",
    "due_at": "timestamptz",
    "origin": "jsonb",
}
PENDING_TYPES = {
    "organization": "text",
    "project": "text",
    "number": "bigint",
    "kind": "text",
    "due_at": "timestamptz",
    "account": "text",
    "command": "jsonb",
    "source": "text",
    "type": "text",
    "origin": "jsonb",
}
FAN_OUT_TYPES = {
    "organization": "text",
    "account": "text",
    "number": "integer",
    "kind": "text",
    "reason": "text",
    "message": "text",
    "instant": "timestamptz",
    "told": "text",
    "origin": "jsonb",
}

_CONDITIONS = TypeAdapter(tuple[Condition, ...])
_HOLDS = TypeAdapter(tuple[Hold, ...])


def columns(types: Mapping[str, str]) -> str:
    """Return a select list; JSON comes as text, for the models to read strictly."""
    return ", ".join(f"CAST({name} AS text) AS {name}" if type_ == "jsonb" else name for name, type_ in types.items())


def organization_row(record: Organization) -> dict[str, Any]:
    """Return an organization's choices as a row."""
    return {"organization": record.organization, "default_account": record.default_account}


def account_row(account: Account) -> dict[str, Any]:
    """Return an account as a row."""
    balance = account.balance
    return {
        "organization": account.organization,
        "account": account.account,
        "version": account.version,
        "phases": account.phases,
        "sequence": account.sequence,
        "phase": str(account.phase),
        "conditions": _CONDITIONS.dump_json(account.conditions).decode(),
        "display_name": account.display_name,
        "currency_code": account.currency_code,
        "payment_terms": _json(account.payment_terms),
        "preferences": _json(account.preferences),
        "payment_profile": account.payment_profile,
        "holds": _HOLDS.dump_json(account.holds).decode(),
        "closure": _json(account.closure),
        "activated_at": account.activated_at,
        "outstanding": balance and balance.outstanding,
        "outstanding_currency_code": balance and balance.currency_code,
        "outstanding_as_of": balance and balance.as_of,
    }


def account_of(row: Mapping[str, Any]) -> Account:
    """Return an account from its row."""
    balance = None
    if row["outstanding"] is not None:
        balance = Balance(
            outstanding=row["outstanding"],
            currency_code=row["outstanding_currency_code"],
            as_of=row["outstanding_as_of"],
        )
    return Account(
        organization=row["organization"],
        account=row["account"],
        version=row["version"],
        phases=row["phases"],
        sequence=row["sequence"],
        phase=Phase(row["phase"]),
        conditions=_CONDITIONS.validate_json(row["conditions"]),
        display_name=row["display_name"],
        currency_code=row["currency_code"],
        payment_terms=row["payment_terms"] and PaymentTerms.model_validate_json(row["payment_terms"]),
        preferences=row["preferences"] and Preferences.model_validate_json(row["preferences"], context=STORED),
        payment_profile=row["payment_profile"],
        holds=_HOLDS.validate_json(row["holds"]),
        closure=row["closure"] and Closure.model_validate_json(row["closure"]),
        activated_at=row["activated_at"],
        balance=balance,
    )


def project_row(project: Project) -> tuple[Any, ...]:
    """Return a project as a whole row, in the order of the table's columns."""
    return (
        project.organization,
        project.project,
        project.state,
        project.version,
        project.uid,
        project.display_name,
        project.bindings,
        project.sequence,
        project.last_ended_at,
    )


def binding_row(binding: Binding) -> tuple[Any, ...]:
    """Return a binding as a whole row, in the order of the table's columns."""
    return (
        binding.organization,
        binding.project,
        binding.number,
        binding.account,
        binding.established_at,
        binding.ended_at,
        binding.released,
        binding.previous_ended_at,
    )


def project_and_binding_of(row: Mapping[str, Any]) -> list[Project | Binding]:
    """Return a project, and the binding that pays for it, if any, from a row that holds both."""
    organization, project = row["organization"], row["project"]
    known = Project(
        organization=organization,
        project=project,
        state=row["state"],
        version=row["version"],
        uid=row["uid"],
        display_name=row["display_name"],
        bindings=row["bindings"],
        sequence=row["sequence"],
        last_ended_at=row["last_ended_at"],
    )
    if row["number"] is None:
        return [known]
    active = Binding(
        organization=organization,
        project=project,
        number=row["number"],
        account=row["account"],
        established_at=row["established_at"],
        previous_ended_at=row["previous_ended_at"],
    )
    return [known, active]


def profile_row(profile: PaymentProfile) -> dict[str, Any]:
    """Return a payment profile as a row."""
    row = {name: getattr(profile, name) for name in PROFILE_TYPES}
    return row | {"origin": _origin_json(profile.origin)}


def profile_of(row: Mapping[str, Any]) -> PaymentProfile:
    """Return a payment profile from its row."""
    instants = {"expires_at": _aware(row["expires_at"]), "due_at": _aware(row["due_at"])}
    return PaymentProfile(**{**row, **instants, "origin": _origin_of(row["origin"])})


def pending_row(pending: PendingBinding) -> dict[str, Any]:
    """Return a pending binding as a row."""
    row = {name: getattr(pending, name) for name in PENDING_TYPES if name != "account"}
    # What was not said must not be said afterwards: expectedAccount means something when it is null.
    command = pending.command.model_dump_json(exclude_unset=True)
    return row | {"account": pending.command.account, "command": command, "origin": _origin_json(pending.origin)}


def pending_of(row: Mapping[str, Any]) -> PendingBinding:
    """Return a pending binding from its row."""
    return PendingBinding(
        organization=row["organization"],
        project=row["project"],
        number=row["number"],
        kind=row["kind"],
        due_at=row["due_at"].replace(tzinfo=UTC),
        command=BindProject.model_validate_json(row["command"]),
        source=row["source"],
        type=row["type"],
        origin=_origin_of(row["origin"]),
    )


def fan_out_row(fan_out: FanOut) -> dict[str, Any]:
    """Return a fan-out as a row."""
    row = {name: getattr(fan_out, name) for name in FAN_OUT_TYPES}
    return row | {
        "kind": str(fan_out.kind),
        "reason": str(fan_out.reason),
        "origin": _origin_json(fan_out.origin),
    }


def fan_out_of(row: Mapping[str, Any]) -> FanOut:
    """Return a fan-out from its row."""
    members = {**row, "kind": NoticeKind(row["kind"]), "reason": PhaseReason(row["reason"])}
    return FanOut(**{**members, "origin": _origin_of(row["origin"])})


def _aware(instant: datetime | None) -> datetime | None:
    # asyncpg takes the first and the last instant of the calendar for infinite ones, and gives these without a zone.
    return None if instant is None else instant.replace(tzinfo=UTC)


def _json(value: BaseModel | None) -> str | None:
    return None if value is None else value.model_dump_json()


def _origin_json(origin: Origin) -> str:
    return orjson.dumps(
        {"caused_by": origin.caused_by, "sender": origin.sender, "passed_on": origin.passed_on}
    ).decode()


def _origin_of(text: str) -> Origin:
    return Origin(**orjson.loads(text))
