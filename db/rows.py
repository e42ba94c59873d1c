"""Records as rows, and rows as records: for each table its columns with their types, and the two directions."""

from collections.abc import Mapping
from datetime import UTC
from enum import StrEnum
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import TypeAdapter

from db.tables import of_organizations as tables
from db.tables.base import column_types
from domain.state import (
    Account,
    Balance,
    Binding,
    FanOut,
    Organization,
    PaymentProfile,
    PendingBinding,
    Project,
)
from schemas.policy import STORED

R = TypeVar("R")

ORGANIZATION_TYPES = column_types(tables.organizations)
ACCOUNT_TYPES = column_types(tables.accounts)
PROJECT_TYPES = column_types(tables.projects)
PROFILE_TYPES = column_types(tables.payment_profiles)
PENDING_TYPES = column_types(tables.pending_bindings)
FAN_OUT_TYPES = column_types(tables.fan_outs)


def columns(types: Mapping[str, str]) -> str:
    """Return a select list; JSON comes as text, for the models to read strictly."""
    return ", ".join(f"CAST({name} AS text) AS {name}" if type_ == "jsonb" else name for name, type_ in types.items())


class Mapped(Generic[R]):
    """A kind of record in its table: each column is the field of its name, as JSON where the column is."""

    def __init__(self, kind: type[R], types: Mapping[str, str]) -> None:
        hints = get_type_hints(kind)
        self._kind = kind
        self._names = [name for name in types if name in hints]
        self._json = {name: TypeAdapter[Any](hints[name]) for name in self._names if types[name] == "jsonb"}
        self._instants = [name for name in self._names if types[name].startswith("timestamp")]
        self._enums = {
            name: hints[name]
            for name in self._names
            if isinstance(hints[name], type) and issubclass(hints[name], StrEnum)
        }

    def row(self, record: R, **more: Any) -> dict[str, Any]:
        """Return a record as a row, in which `more` stands for what is kept otherwise."""
        row = {name: getattr(record, name) for name in self._names} | more
        for name, adapter in self._json.items():
            if row[name] is not None and name not in more:
                row[name] = adapter.dump_json(row[name]).decode()
        return row

    def record(self, row: Mapping[str, Any], **more: Any) -> R:
        """Return a record from its row."""
        members = {name: row[name] for name in self._names}
        for name, adapter in self._json.items():
            if members[name] is not None:
                members[name] = adapter.validate_json(members[name], context=STORED)
        for name, enum in self._enums.items():
            members[name] = enum(members[name])
        for name in self._instants:
            # asyncpg takes the calendar's first and last instant for infinite ones, and returns these without a zone.
            members[name] = members[name] and members[name].replace(tzinfo=UTC)
        return self._kind(**members, **more)


_ORGANIZATIONS = Mapped(Organization, ORGANIZATION_TYPES)
_ACCOUNTS = Mapped(Account, ACCOUNT_TYPES)
_BALANCES = {"outstanding": "outstanding", "outstanding_currency_code": "currency_code", "outstanding_as_of": "as_of"}
_PROFILES = Mapped(PaymentProfile, PROFILE_TYPES)
_PENDING = Mapped(PendingBinding, PENDING_TYPES)
_FAN_OUTS = Mapped(FanOut, FAN_OUT_TYPES)

organization_row = _ORGANIZATIONS.row
profile_row, profile_of = _PROFILES.row, _PROFILES.record
fan_out_row, fan_out_of = _FAN_OUTS.row, _FAN_OUTS.record
pending_of = _PENDING.record


def account_row(account: Account) -> dict[str, Any]:
    """Return an account as a row, in which its balance has columns of its own."""
    balance = account.balance
    return _ACCOUNTS.row(account, **{column: balance and getattr(balance, name) for column, name in _BALANCES.items()})


def account_of(row: Mapping[str, Any]) -> Account:
    """Return an account from its row."""
    reported = {name: row[column] for column, name in _BALANCES.items()}
    if reported["as_of"] is None:
        return _ACCOUNTS.record(row, balance=None)
    reported["as_of"] = reported["as_of"].replace(tzinfo=UTC)
    return _ACCOUNTS.record(row, balance=Balance(**reported))


def pending_row(pending: PendingBinding) -> dict[str, Any]:
    """Return a pending binding as a row, by its account."""
    # Keep unset members unset: expectedAccount means something when it is null.
    command = pending.command.model_dump_json(exclude_unset=True)
    return _PENDING.row(pending, account=pending.command.account, command=command)


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
