"""Builds account documents directly from rows, so that read-only commands need not import the record classes.

JSON columns hold the same form as the documents, except for the order of members, which the database does not keep.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from domain.blockers import blockers_of, described_balance
from domain.bound_projects import BoundProjects
from domain.reach import Reach
from schemas.instants import format_instant
from schemas.listed import LISTED_PROJECTS

Shape = Mapping[str, "Shape | None"]

ARCHIVED = "Archived"
PHASES = ("Provisioning", "Incomplete", "Ready", "Suspended", ARCHIVED)
"""All phases, as `schemas.events.Phase` has them."""


def _shape(members: str, **inner: Shape) -> Shape:
    return {name: inner.get(name) for name in members.split()}


_TERMS = _shape(
    "netDays invoiceFrequency invoiceDayOfMonth earlyPaymentDiscount latePaymentPenalty",
    earlyPaymentDiscount=_shape("percent withinDays"),
    latePaymentPenalty=_shape("annualPercent graceDays"),
)
_PREFERENCES = _shape(
    "taxRegistrations invoiceLanguage invoiceFormat eInvoicing dataResidency",
    taxRegistrations=_shape("country number"),
    eInvoicing=_shape("standard address"),
)
_JSON = {
    "conditions": _shape("type status reason message lastTransitionTime"),
    "holds": _shape("reason message by placedAt reactivation", reactivation=_shape("by resolution requestedAt")),
    "payment_terms": _TERMS,
    "preferences": _PREFERENCES,
    "closure": _shape("by reason requestedAt"),
}
_FIRST = (
    "organization", "account", "display_name", "phase", "conditions", "holds", "currency_code", "payment_terms",
    "preferences", "payment_profile", "activated_at", "version", "closure",
)  # fmt: skip
_NOT_IN_STATE = frozenset(
    {
        "phases", "sequence", "outstanding", "outstanding_currency_code", "outstanding_as_of",
        "bound", "first", "last_ended_at", "profile_kind", "profile_state", "profile_version", "profile_expires_at",
    }
)  # fmt: skip
"""Columns of accounts, and other columns of the queries, that are not part of an account's state."""


def account_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an account as in `AccountChanged` without `cause`; a new column follows the others under its name."""
    names = dict.fromkeys((*_FIRST, *row.keys()))
    return {_camel(name): _rendered(name, row[name]) for name in names if name not in _NOT_IN_STATE}


def balance_document(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the latest balance of an account; None if none was reported."""
    balance = _balance(row)
    return None if balance is None else described_balance(balance)


def blockers_document(
    row: Mapping[str, Any], bound: BoundProjects, reach: Reach, *, with_balance: bool
) -> list[dict[str, Any]]:
    """Return what blocks an account's closure, as violations; none if it is archived.

    They name only projects within reach, and the reported balance only `with_balance`.
    """
    if row["phase"] == ARCHIVED:
        return []
    found = blockers_of(row["activated_at"], _balance(row), bound, LISTED_PROJECTS)
    for one in found:
        if "projects" in one.blockers:
            one.blockers["projects"] = [name for name in one.blockers["projects"] if reach.sees_project(name)]
    return [
        {
            "reason": one.reason,
            "message": one.message,
            "field": "/account",
            **({"blockers": one.blockers} if with_balance or one.reason != "ChargesOutstanding" else {}),
            "retryable": True,
        }
        for one in found
    ]


@dataclass(frozen=True, slots=True)
class _Balance:
    outstanding: Decimal
    currency_code: str
    as_of: datetime


def _balance(row: Mapping[str, Any]) -> _Balance | None:
    if row["outstanding_as_of"] is None:
        return None
    return _Balance(row["outstanding"], row["outstanding_currency_code"], row["outstanding_as_of"])


def _rendered(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return format_instant(value)
    if value is None or name not in _JSON:
        return value
    # Some connections parse JSON, others return it as text.
    return _in_shape(orjson.loads(value) if isinstance(value, str) else value, _JSON[name])


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _in_shape(value: Any, shape: Shape) -> Any:
    """Return a value with its members in order; values older than a member get None for it."""
    if isinstance(value, list):
        return [_in_shape(one, shape) for one in value]
    if value is None:
        return None
    return {
        name: value.get(name) if inner is None else _in_shape(value.get(name), inner) for name, inner in shape.items()
    }
