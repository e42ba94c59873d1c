"""Document shapes that several answers share."""

from datetime import datetime
from typing import Any

from schemas.instants import format_instant

INTERVAL_COLUMNS = (
    "organization", "project", "account", "number", "legacy_id", "currency_code", "established_at", "ended_at",
)  # fmt: skip
"""The arguments of `interval`, in order, as columns of a row."""


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
    """Return an interval in the form of docs/contract.md, section 11; it has not ended if `ended_at` is None.

    `number` is the binding's; `legacy_id` is the id under which it was published, if it is older than its number.
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
    """Return the id of a binding, as in `domain.state.Binding`, which is too expensive to import here."""
    return legacy_id or f"{organization}/{project}/{number}"


def json_instant(expression: str) -> str:
    """Return the SQL for an instant as JSON, in the form of `format_instant`; null if it is null."""
    # The colons are quoted, too: SQLAlchemy would take the text after one for a parameter.
    written = f"""to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24":"MI":"SS.US"Z"')"""
    return f"""coalesce('"' || {written} || '"', 'null')"""


JSON_INTERVAL_MEMBERS = f"""
    '"organization":"' || held.organization || '","project":"' || held.project || '","account":"' || held.account
    || '","bindingId":"' || coalesce(held.legacy_id, held.organization || '/' || held.project || '/' || held.number)
    || '","currencyCode":' || coalesce('"' || held.currency_code || '"', 'null')
    || ',"establishedAt":' || {json_instant("held.established_at")}
    || ',"endedAt":' || {json_instant("held.ended_at")}
"""
"""The SQL for the members of `interval` as JSON, rendered by the server if there are very many.

`held` has a column for each argument of `interval`. None of their values needs escaping in JSON.
"""
