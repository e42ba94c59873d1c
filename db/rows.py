"""Converts records to rows and back; gives each table's columns with their types."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from db.mapping import Mapped
from db.tables import of_organizations as tables
from db.tables.base import column_types
from domain.state import FanOut, Organization, PaymentProfile, PendingBinding

ORGANIZATION_TYPES = column_types(tables.organizations)
ACCOUNT_TYPES = column_types(tables.accounts)
PROJECT_TYPES = column_types(tables.projects)
BINDING_TYPES = column_types(tables.bindings)
PROFILE_TYPES = column_types(tables.payment_profiles)
PENDING_TYPES = column_types(tables.pending_bindings)
FAN_OUT_TYPES = column_types(tables.fan_outs)

REPORTED_COLUMNS = ("organization", "project", "state", "version", "uid", "display_name")
"""The project columns that workers write; the database derives the payer from the project's bindings."""

reported_row = attrgetter(*REPORTED_COLUMNS)
"""Return a project as a row of these columns."""
binding_row = attrgetter(*BINDING_TYPES)
"""Return a binding as a whole row."""


def columns(types: Mapping[str, str]) -> str:
    """Return a select list; JSON comes as text, for the models to read strictly."""
    return ", ".join(f"CAST({name} AS text) AS {name}" if type_ == "jsonb" else name for name, type_ in types.items())


_ORGANIZATIONS = Mapped(Organization, ORGANIZATION_TYPES)
_PROFILES = Mapped(PaymentProfile, PROFILE_TYPES)
_PENDING = Mapped(PendingBinding, PENDING_TYPES)
_FAN_OUTS = Mapped(FanOut, FAN_OUT_TYPES)

organization_row = _ORGANIZATIONS.row
profile_row, profile_of = _PROFILES.row, _PROFILES.record
fan_out_row, fan_out_of = _FAN_OUTS.row, _FAN_OUTS.record
pending_of = _PENDING.record


def pending_row(pending: PendingBinding) -> dict[str, Any]:
    """Return a pending binding as a row, with its account in a separate column."""
    # Keep unset members unset: expectedAccount means something when it is null.
    command = pending.command.model_dump_json(exclude_unset=True)
    return _PENDING.row(pending, account=pending.command.account, command=command)
