"""Records as rows, and rows as records: for each table its columns with their types, and the two directions."""

from collections.abc import Mapping
from enum import StrEnum
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import TypeAdapter

from db.tables import of_organizations as tables
from db.tables.base import column_types
from domain.state import Account, Balance, FanOut, Organization, PaymentProfile, PendingBinding
from schemas.policy import STORED

R = TypeVar("R")

ORGANIZATION_TYPES = column_types(tables.organizations)
ACCOUNT_TYPES = column_types(tables.accounts)
PROJECT_TYPES = column_types(tables.projects)
BINDING_TYPES = column_types(tables.bindings)
PROFILE_TYPES = column_types(tables.payment_profiles)
PENDING_TYPES = column_types(tables.pending_bindings)
FAN_OUT_TYPES = column_types(tables.fan_outs)

REPORTED_COLUMNS = ("organization", "project", "state", "version", "uid", "display_name")
"""The columns of a project that are written; the database itself derives the payer from its bindings."""

reported_row = attrgetter(*REPORTED_COLUMNS)
"""Return a project as a row of these columns."""
binding_row = attrgetter(*BINDING_TYPES)
"""Return a binding as a whole row."""


def columns(types: Mapping[str, str]) -> str:
    """Return a select list; JSON comes as text, for the models to read strictly."""
    return ", ".join(f"CAST({name} AS text) AS {name}" if type_ == "jsonb" else name for name, type_ in types.items())


class Mapped(Generic[R]):
    """A record class and its table: each column is the field of the same name, as JSON if the column is JSON."""

    def __init__(self, kind: type[R], types: Mapping[str, str]) -> None:
        hints = get_type_hints(kind)
        self._kind = kind
        self._names = [name for name in types if name in hints]
        self._json = {name: TypeAdapter[Any](hints[name]) for name in self._names if types[name] == "jsonb"}
        self._enums = {
            name: hints[name]
            for name in self._names
            if isinstance(hints[name], type) and issubclass(hints[name], StrEnum)
        }

    def row(self, record: R, **more: Any) -> dict[str, Any]:
        """Return a record as a row; `more` gives the columns that are not plain fields."""
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
    """Return an account as a row, with its balance in columns of its own."""
    balance = account.balance
    return _ACCOUNTS.row(account, **{column: balance and getattr(balance, name) for column, name in _BALANCES.items()})


def account_of(row: Mapping[str, Any]) -> Account:
    """Return an account from its row."""
    reported = {name: row[column] for column, name in _BALANCES.items()}
    if reported["as_of"] is None:
        return _ACCOUNTS.record(row, balance=None)
    return _ACCOUNTS.record(row, balance=Balance(**reported))


def pending_row(pending: PendingBinding) -> dict[str, Any]:
    """Return a pending binding as a row, by its account."""
    # Keep unset members unset: expectedAccount means something when it is null.
    command = pending.command.model_dump_json(exclude_unset=True)
    return _PENDING.row(pending, account=pending.command.account, command=command)
