"""Shapes that several answers share."""

from datetime import datetime
from typing import Any

from schemas.instants import format_instant

INTERVAL_COLUMNS = (
    "organization", "project", "account", "number", "legacy_id", "currency_code", "established_at", "ended_at",
)  # fmt: skip
"""The arguments of `interval`, in order: what a row is asked for by."""


def interval(
    organization: str,
    project: str,
    account: str,
    number: int,
    legacy_id: str | None,
    currency_code: str | None,
    established_at: datetime,
    ended_at: datetime | None,
) -> dict[str, Any]:
    """Return an interval as section 11 of docs/contract.md has it; it lasts where `ended_at` is None.

    `number` is the binding's, `legacy_id` the id under which it was published, if it is older than its number.
    """
    return {
        "organization": organization,
        "project": project,
        "account": account,
        "bindingId": binding_id(organization, project, number, legacy_id),
        "currencyCode": currency_code,
        "establishedAt": format_instant(established_at),
        "endedAt": None if ended_at is None else format_instant(ended_at),
    }


def binding_id(organization: str, project: str, number: int, legacy_id: str | None) -> str:
    """Return the id of a binding, as `domain.state.Binding` has it, which is not imported only to ask."""
    return legacy_id or f"{organization}/{project}/{number}"


def json_instant(expression: str) -> str:
    """Return the SQL for an instant as JSON, as `format_instant` writes it; null where it is null."""
    # The colons are quoted too: SQLAlchemy would take what follows one for a parameter.
    written = f"""to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24":"MI":"SS.US"Z"')"""
    return f"""coalesce('"' || {written} || '"', 'null')"""


JSON_INTERVAL_MEMBERS = f"""
    '"organization":"' || held.organization || '","project":"' || held.project || '","account":"' || held.account
    || '","bindingId":"' || coalesce(held.legacy_id, held.organization || '/' || held.project || '/' || held.number)
    || '","currencyCode":' || coalesce('"' || held.currency_code || '"', 'null')
    || ',"establishedAt":' || {json_instant("held.established_at")}
    || ',"endedAt":' || {json_instant("held.ended_at")}
"""
"""The SQL for the members of `interval`, as JSON: written by the server where there are very many.

`held` has a column for each argument of `interval`. What stands between quotes is in none of them.
"""
