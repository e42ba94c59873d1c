"""Shapes that several answers share."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from schemas.instants import format_instant
from schemas.results import Violation


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
        "bindingId": legacy_id or f"{organization}/{project}/{number}",
        "currencyCode": currency_code,
        "establishedAt": format_instant(established_at),
        "endedAt": None if ended_at is None else format_instant(ended_at),
    }


def described_violations(violations: Iterable[Violation]) -> list[dict[str, Any]]:
    """Return violations as results list them (docs/contract.md section 6)."""
    return [one.model_dump(mode="json") for one in violations]
