"""Questions about accounts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from db.driver import Connection, Statement, fetch
from db.questions.account_documents import (
    PHASES,
    account_document,
    balance_document,
    blockers_document,
)
from db.questions.intervals import is_known_account
from db.questions.pages import After, Page, page_of
from db.questions.reached import spans_of
from domain.bound_projects import BoundProjects
from domain.reach import EVERYTHING, Reach
from schemas.instants import format_instant
from schemas.listed import LISTED_PROJECTS

if TYPE_CHECKING:
    from db.sealing import KeyEncryption


async def account(
    connection: Connection,
    organization: str,
    account: str,
    *,
    with_balance: bool = False,
    keys: "KeyEncryption | None" = None,
    reach: Reach = EVERYTHING,
) -> dict[str, Any] | None:
    """Return an account; None if there is none of that name.

    It has the members of `AccountChanged` except `cause`; `boundProjects`, the number it pays for; `missing`, its
    conditions that are not True; `closureBlockers`, as violations (none for an archived account); `profile`, with
    `paymentProfile`, `kind`, `state`, `version`, `expiresAt`, or None if none is attached or it is not known. With
    `with_balance` also `balance` (`outstanding`, `currencyCode`, `asOf`, or None), which the blocker
    `ChargesOutstanding` repeats; with keys also `contact`, unsealed personal data, or None. Numbers count all its
    projects; closure blockers only name those within reach. Raises Unopenable.
    """
    rows = await fetch(connection, _ACCOUNT, organization=organization, account=account, row_limit=LISTED_PROJECTS)
    if not rows:
        return None
    (row,) = rows
    bound = BoundProjects(row["bound"], row["first"], row["last_ended_at"])
    answer = account_document(row)
    answer |= {
        "boundProjects": row["bound"],
        "missing": [condition for condition in answer["conditions"] if condition["status"] != "True"],
        "closureBlockers": blockers_document(row, bound, reach, with_balance=with_balance),
        "profile": _profile(row),
    }
    if with_balance:
        answer["balance"] = balance_document(row)
    if keys is not None:
        from db.contacts import load_contact  # noqa: PLC0415 - rarely needed, and slow to import

        contact = await load_contact(connection, organization, account, keys)
        answer["contact"] = contact and contact.model_dump(mode="json", exclude_none=True)
    return answer


async def accounts(
    connection: Connection,
    organization: str,
    *,
    phase: str | None = None,
    limit: int,
    after: After | None = None,
    reach: Reach = EVERYTHING,
) -> Page:
    """Return a page of accounts, as in `AccountChanged` without `cause`, by name in byte order.

    Accounts out of reach are left out. The key is `(account,)`.
    """
    (name,) = after or ("",)
    spans = spans_of(reach.accounts, name)
    rows = await fetch(
        connection,
        _ACCOUNTS,
        organization=organization,
        phases=PHASES if phase is None else [phase],
        lows=spans.lows,
        highs=spans.highs,
        after=name,
        row_limit=limit + 1,
    )
    return page_of(rows, limit, account_document, "account")


async def phases(
    connection: Connection, organization: str, account: str, *, limit: int, after: After | None = None
) -> Page | None:
    """Return a page of the phases that an account entered, oldest first; None if there is no account of that name.

    Items are the data of `AccountPhaseChanged` without `holds`, with `at` and `eventId`. The key is `(number,)`. If an
    event is archived, its `cause` has only `by`.
    """
    if not await is_known_account(connection, organization, account):
        return None
    (number,) = after or (0,)
    values = {"organization": organization, "account": account}
    rows = await fetch(connection, _PHASES, **values, after_number=number, row_limit=limit + 1)
    return page_of(rows, limit, _phase, "number")


async def account_history(connection: Connection, organization: str, account: str) -> list[dict[str, Any]]:
    """Return the phases that an account entered, oldest first: from, to, reason, message, by, causedBy and at."""
    rows = await fetch(connection, _HISTORY, organization=organization, account=account)
    return [
        {
            "from": row["previous_phase"],
            "to": row["phase"],
            "reason": row["reason"],
            "message": row["message"],
            "by": row["by"],
            "causedBy": row["caused_by"],
            "at": format_instant(row["entered_at"]),
        }
        for row in rows
    ]


async def projects_of_account(connection: Connection, organization: str, account: str) -> list[str]:
    """Return the projects that an account pays for now, by name."""
    rows = await fetch(connection, _PROJECTS_OF_ACCOUNT, organization=organization, account=account)
    return [row["project"] for row in rows]


def _phase(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "organization": row["organization"],
        "account": row["account"],
        "previousPhase": row["previous_phase"],
        "phase": row["phase"],
        "reason": row["reason"],
        "message": row["message"],
        "cause": {"by": row["by"]} if row["value"] is None else orjson.loads(row["value"])["data"]["cause"],
        "at": format_instant(row["entered_at"]),
        "eventId": None if row["position"] is None else f"{row['shard']}-{row['position']}",
    }


def _profile(row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["profile_kind"] is None:
        return None
    return {
        "paymentProfile": row["payment_profile"],
        "kind": row["profile_kind"],
        "state": row["profile_state"],
        "version": row["profile_version"],
        "expiresAt": row["profile_expires_at"] and format_instant(row["profile_expires_at"]),
    }


_ACCOUNT = Statement(
    """
    SELECT asked.*, (
            SELECT count(*) FROM projects WHERE organization = :organization AND projects.account = :account
        ) AS bound,
        ARRAY(
            SELECT project FROM projects WHERE organization = :organization AND projects.account = :account
            ORDER BY project LIMIT :row_limit
        ) AS first,
        former_payers.last_ended_at, profile.kind AS profile_kind, profile.state AS profile_state,
        profile.version AS profile_version, profile.expires_at AS profile_expires_at
    FROM (
        SELECT accounts.* FROM accounts WHERE organization = :organization AND account = :account
    ) AS asked
    LEFT JOIN former_payers ON former_payers.organization = :organization AND former_payers.account = :account
    LEFT JOIN payment_profiles AS profile
        ON profile.organization = :organization AND profile.payment_profile = asked.payment_profile
    """
)
# The index is by phase, then name: take the limit from each phase and each span of names, then from all of them.
_ACCOUNTS = Statement(
    """
    SELECT found.* FROM unnest(CAST(:phases AS text[])) AS asked(phase)
    CROSS JOIN unnest(CAST(:lows AS text[]), CAST(:highs AS text[])) AS span(low, high)
    CROSS JOIN LATERAL (
        SELECT accounts.* FROM accounts
        WHERE organization = :organization AND accounts.phase = asked.phase AND account COLLATE "C" > :after
            AND account COLLATE "C" BETWEEN span.low AND span.high
        ORDER BY account COLLATE "C" LIMIT :row_limit
    ) AS found
    ORDER BY found.account COLLATE "C" LIMIT :row_limit
    """
)
_PHASES = Statement(
    """
    SELECT entered.*, log.value FROM account_phases AS entered
    LEFT JOIN log ON log.shard = entered.shard AND log.position = entered.position
    WHERE entered.organization = :organization AND entered.account = :account AND entered.number > :after_number
    ORDER BY entered.number LIMIT :row_limit
    """
)
_HISTORY = Statement(
    """
    SELECT previous_phase, phase, reason, message, "by", caused_by, entered_at
    FROM account_phases WHERE organization = :organization AND account = :account ORDER BY number
    """
)
_PROJECTS_OF_ACCOUNT = Statement(
    "SELECT project FROM projects WHERE organization = :organization AND account = :account ORDER BY project"
)
