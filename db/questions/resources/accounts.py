"""Pages of accounts, as Kubernetes shows them."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import orjson

from db.driver import Connection, Statement, fetch
from db.questions.reached import EVERYWHERE, Reached, is_within
from db.questions.resources.keys import Key, after_key, values_of


@dataclass(frozen=True, slots=True)
class ShownAccount:
    """An account's current state; `state` has the members of `AccountChanged` that are shown."""

    organization: str
    state: dict[str, Any]
    profile_kind: str | None
    linked_projects: int
    created_at: datetime

    @property
    def key(self) -> Key:
        """The key after which the next page continues."""
        return self.organization, self.state["account"], 0


async def accounts_page(
    connection: Connection,
    organization: str | None,
    after: Key,
    limit: int,
    account: str | None = None,
    reached: Reached = EVERYWHERE,
) -> list[ShownAccount]:
    """Return accounts by name, or only the named one; accounts out of reach are left out."""
    statement = _accounts(organization is not None, account is not None, not reached.is_everything)
    values = values_of(organization, after) | reached.values()
    rows = await fetch(connection, statement, **values, account=account, row_limit=limit)
    return [
        ShownAccount(
            row["organization"],
            {
                "account": row["account"],
                "phase": row["phase"],
                "conditions": orjson.loads(row["conditions"]),
                "currencyCode": row["currency_code"],
                "paymentTerms": row["payment_terms"] and orjson.loads(row["payment_terms"]),
                "paymentProfile": row["payment_profile"],
            },
            row["profile_kind"],
            row["linked_projects"],
            row["created_at"],
        )
        for row in rows
    ]


@cache
def _accounts(is_one: bool, is_named: bool, is_narrow: bool) -> Statement:
    within = f"AND {is_within('account', 'account')}" if is_narrow else ""
    name = 'account COLLATE "C"' if is_one else "account"
    order = name if is_one else "organization, account"
    return Statement(
        f"""
        SELECT page.organization, page.account, page.phase, page.conditions, page.currency_code, page.payment_terms,
            page.payment_profile, profile.kind AS profile_kind, (
                SELECT count(*) FROM projects
                WHERE projects.organization = page.organization AND projects.account = page.account
            ) AS linked_projects, (
                SELECT entered_at FROM account_phases AS first
                WHERE first.organization = page.organization AND first.account = page.account AND first.number = 1
            ) AS created_at
        FROM (
            SELECT organization, account, phase, CAST(conditions AS text) AS conditions, currency_code,
                CAST(payment_terms AS text) AS payment_terms, payment_profile
            FROM accounts WHERE {after_key(is_one, name)} {"AND account = :account" if is_named else ""} {within}
            ORDER BY {order} LIMIT :row_limit
        ) AS page
        LEFT JOIN payment_profiles AS profile
            ON profile.organization = page.organization AND profile.payment_profile = page.payment_profile
        ORDER BY {"page." + order if is_one else "page.organization, page.account"}
        """
    )
