"""Questions of the Kubernetes resources: pages of accounts, bindings and projects, and what a watch needs to know.

A key is the organization, the name, and of bindings the number; a page begins after one. Without an organization, pages
are of all organizations.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import fetch
from db.questions.reached import EVERYWHERE, Reached, is_within

Key = tuple[str, str, int]

FIRST: Key = ("", "", 0)
"""Before all others: no name is empty."""

_COUNTED_AT_ONCE = 100_000
"""How many positions a statement looks at that follows changes of payers: few enough for it to be short."""


@dataclass(frozen=True, slots=True)
class ShownAccount:
    """An account as it is; `state` has the members of `AccountChanged` that are shown."""

    organization: str
    state: dict[str, Any]
    profile_kind: str | None
    linked_projects: int
    created_at: datetime

    @property
    def key(self) -> Key:
        """What a page goes on after."""
        return self.organization, self.state["account"], 0


@dataclass(frozen=True, slots=True)
class ShownBinding:
    """A binding as it is; `ended_at` is None while it lasts, `next_account` also where nobody followed."""

    organization: str
    project: str
    number: int
    account: str
    established_at: datetime
    ended_at: datetime | None
    next_account: str | None

    @property
    def key(self) -> Key:
        """What a page goes on after."""
        return self.organization, self.project, self.number


@dataclass(frozen=True, slots=True)
class ShownProject:
    """A project as it is, and who pays for it, if anybody does."""

    organization: str
    project: str
    state: str
    account: str | None
    established_at: datetime | None

    @property
    def key(self) -> Key:
        """What a page goes on after."""
        return self.organization, self.project, 0


@dataclass(frozen=True, slots=True)
class EarlierAccount:
    """An account at a position: the event that told its state, None before it was created; and when that was, or is."""

    value: bytes | None
    created_at: datetime


async def accounts_page(
    connection: AsyncConnection,
    organization: str | None,
    after: Key,
    limit: int,
    account: str | None = None,
    reached: Reached = EVERYWHERE,
) -> list[ShownAccount]:
    """Return accounts by name, or the one that is named; not those out of reach."""
    named = {} if account is None else {"account": account}
    statement = _accounts(organization is not None, account is not None, not reached.is_everything)
    values = _of(organization, after[:2]) | reached.values()
    rows = await fetch(connection, statement, **values, **named, row_limit=limit)
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


async def bindings_page(
    connection: AsyncConnection,
    organization: str | None,
    after: Key,
    limit: int,
    *,
    only_active: bool,
    project: str | None = None,
    account: str | None = None,
    reached: Reached = EVERYWHERE,
    either: bool = False,
) -> list[ShownBinding]:
    """Return bindings by project, then number; of one project or one account, if it is named.

    Those that are not seen are left out, and a name that is out of reach finds nothing: with `either`, unless the
    binding is seen all the same.
    """
    named = {name: value for name, value in (("project", project), ("account", account)) if value is not None}
    is_one, within = organization is not None, _within(() if either else tuple(named))
    if reached.is_everything:
        statement = _bindings(is_one, only_active, tuple(named))
    elif is_one and not named:
        statement = _seen_bindings(only_active)
    else:
        statement = _bindings(is_one, only_active, tuple(named), f" AND ({within})")
    values = _of(organization, after[:2] if only_active else after) | reached.values()
    rows = await fetch(connection, statement, **values, **named, row_limit=limit)
    return [ShownBinding(*row.values()) for row in rows]


async def binding(
    connection: AsyncConnection, organization: str, project: str, number: int, reached: Reached = EVERYWHERE
) -> ShownBinding | None:
    """Return a binding, whether or not it has ended, if it is seen."""
    before = (organization, project, number - 1)
    found = await bindings_page(
        connection, organization, before, 1, only_active=False, project=project, reached=reached, either=True
    )
    return next((one for one in found if one.number == number), None)


async def projects_page(
    connection: AsyncConnection,
    organization: str | None,
    after: Key,
    limit: int,
    project: str | None = None,
    reached: Reached = EVERYWHERE,
) -> list[ShownProject]:
    """Return projects by name, or the one that is named; not those that are deleted, or out of reach."""
    named = {} if project is None else {"project": project}
    if reached.is_everything:
        statement = _projects(organization is not None, project is not None)
    elif organization is not None and project is None:
        statement = _REACHED_PROJECTS
    else:
        statement = _projects(organization is not None, project is not None, f" AND {is_within('project', 'project')}")
    values = _of(organization, after[:2]) | reached.values()
    rows = await fetch(connection, statement, **values, **named, row_limit=limit)
    return [ShownProject(*row.values()) for row in rows]


async def positions(connection: AsyncConnection) -> dict[int, int]:
    """Return the last position of each shard."""
    return {row["shard"]: row["position"] for row in await fetch(connection, _POSITIONS)}


async def is_kept(connection: AsyncConnection, shard: int, position: int) -> bool:
    """Return whether all that follows a position, which is in the log, is kept."""
    return bool((await fetch(connection, _IS_KEPT, shard=shard, position=position))[0]["is_kept"])


async def accounts_at(
    connection: AsyncConnection, organization: str, accounts: Collection[str], position: int
) -> dict[str, EarlierAccount]:
    """Return accounts, which exist now, as they were at a position."""
    rows = await fetch(connection, _ACCOUNTS_AT, organization=organization, accounts=list(accounts), position=position)
    return {row["account"]: EarlierAccount(row["value"], row["created_at"]) for row in rows}


async def profile_kinds(connection: AsyncConnection, organization: str, profiles: Collection[str]) -> dict[str, str]:
    """Return the kinds of payment profiles; one that is not known is left out."""
    rows = await fetch(connection, _KINDS, organization=organization, profiles=list(profiles))
    return {row["payment_profile"]: row["kind"] for row in rows}


async def linked_projects_at(
    connection: AsyncConnection, organization: str, position: int, until: int
) -> dict[str, int]:
    """Return how many projects each account paid for at a position: of all accounts that an event after it is about.

    `until` is the head of the log in the snapshot of the transaction. What is counted now is counted back by what has
    changed since.
    """
    gained: Counter[str] = Counter()
    for start in range(position, until, _COUNTED_AT_ONCE):
        end = min(start + _COUNTED_AT_ONCE, until)
        rows = await fetch(connection, _CHANGES, organization=organization, position=start, until=end)
        for row in rows:
            gained[row["account"]] += row["gained"]
    rows = await fetch(connection, _LINKED, organization=organization, accounts=list(gained))
    return {row["account"]: row["linked"] - gained[row["account"]] for row in rows}


def _of(organization: str | None, after: Sequence[str | int]) -> dict[str, Any]:
    names = ("after_organization", "after_name", "after_number")
    key = dict(zip(names, after, strict=False))
    if organization is None:
        return key
    del key["after_organization"]
    return {"organization": organization, **key}


def _range(is_one: bool, *columns: str) -> str:
    """Return what is required of rows after a key."""
    required = "organization = :organization AND " if is_one else ""
    names = ("after_name", "after_number")[: len(columns)]
    if not is_one:
        names, columns = ("after_organization", *names), ("organization", *columns)
    values = ", ".join(f":{name}" for name in names)
    return f"{required}({', '.join(columns)}) > ({values})"


def _within(named: tuple[str, ...]) -> str:
    """Return what is required of bindings: all that is named is within reach, or else anything is."""
    of_project, of_account = is_within("project", "project"), is_within("account", "account")
    if not named:
        return f"{of_project} OR {of_account}"
    return " AND ".join({"project": of_project, "account": of_account}[name] for name in named)


@cache
def _accounts(is_one: bool, is_named: bool, is_narrow: bool) -> TextClause:
    within = f"AND {is_within('account', 'account')}" if is_narrow else ""
    name = 'account COLLATE "C"' if is_one else "account"
    order = name if is_one else "organization, account"
    return text(
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
            FROM accounts WHERE {_range(is_one, name)} {"AND account = :account" if is_named else ""} {within}
            ORDER BY {order} LIMIT :row_limit
        ) AS page
        LEFT JOIN payment_profiles AS profile
            ON profile.organization = page.organization AND profile.payment_profile = page.payment_profile
        ORDER BY {"page." + order if is_one else "page.organization, page.account"}
        """
    )


@cache
def _bindings(is_one: bool, only_active: bool, named: tuple[str, ...], within: str = "") -> TextClause:
    required = "".join(f" AND {name} = :{name}" for name in named) + within
    if "account" not in named:
        required += " AND account IS NOT NULL"
    first = () if is_one else ("organization",)
    if only_active:
        return text(
            f"""
            SELECT organization, project, number, account, payer_since, CAST(NULL AS timestamptz), CAST(NULL AS text)
            FROM projects WHERE {_range(is_one, "project")} {required}
            ORDER BY {", ".join((*first, "project"))} LIMIT :row_limit
            """
        )
    order = (*first, "project", "number")
    return text(
        f"""
        SELECT page.organization, page.project, page.number, page.account, page.from_instant,
            next.from_instant AS ended_at, next.account AS next_account
        FROM (
            SELECT organization, project, number, account, from_instant
            FROM bindings WHERE {_range(is_one, "project", "number")} {required}
            ORDER BY {", ".join(order)} LIMIT :row_limit
        ) AS page
        LEFT JOIN bindings AS next ON next.organization = page.organization AND next.project = page.project
            AND next.number = page.number + 1
        ORDER BY {", ".join(f"page.{name}" for name in order)}
        """
    )


@cache
def _seen_bindings(only_active: bool) -> TextClause:
    """Return the statement for an organization's bindings that are seen.

    Of each span of projects, and of each account within reach, as many as are wanted of all.
    """
    table, begin, order = (
        ("projects", "payer_since", "project") if only_active else ("bindings", "from_instant", "project, number")
    )
    listed = f"SELECT organization, project, number, account, {begin} AS begin FROM {table} WHERE"
    after = _range(True, *order.split(", "))
    within = "unnest(CAST(:{kind}_lows AS text[]), CAST(:{kind}_highs AS text[])) AS span(low, high)"
    return text(
        f"""
        SELECT page.organization, page.project, page.number, page.account, page.begin,
            next.from_instant AS ended_at, next.account AS next_account
        FROM (
            SELECT * FROM (
                SELECT of_project.* FROM {within.format(kind="project")} CROSS JOIN LATERAL (
                    {listed} {after} AND project BETWEEN span.low AND span.high AND account IS NOT NULL
                    ORDER BY {order} LIMIT :row_limit
                ) AS of_project
                UNION
                SELECT of_account.* FROM (
                    SELECT accounts.account AS name FROM {within.format(kind="account")}
                    JOIN accounts ON organization = :organization AND account COLLATE "C" BETWEEN span.low AND span.high
                ) AS reached CROSS JOIN LATERAL (
                    {listed} {after} AND {table}.account = reached.name ORDER BY {order} LIMIT :row_limit
                ) AS of_account
            ) AS seen
            ORDER BY {order} LIMIT :row_limit
        ) AS page
        LEFT JOIN bindings AS next ON next.organization = page.organization AND next.project = page.project
            AND next.number = page.number + 1
        ORDER BY {", ".join(f"page.{name}" for name in order.split(", "))}
        """
    )


@cache
def _projects(is_one: bool, is_named: bool, within: str = "") -> TextClause:
    return text(
        f"""
        SELECT organization, project, state, account, payer_since
        FROM projects WHERE {_range(is_one, "project")} AND state <> 'Deleted'
            {"AND project = :project" if is_named else ""} {within}
        ORDER BY {"project" if is_one else "organization, project"} LIMIT :row_limit
        """
    )


_REACHED_PROJECTS = text(
    """
    SELECT found.* FROM unnest(CAST(:project_lows AS text[]), CAST(:project_highs AS text[])) AS span(low, high)
    CROSS JOIN LATERAL (
        SELECT organization, project, state, account, payer_since FROM projects
        WHERE organization = :organization AND project > :after_name AND project BETWEEN span.low AND span.high
            AND state <> 'Deleted'
        ORDER BY project LIMIT :row_limit
    ) AS found
    ORDER BY found.project LIMIT :row_limit
    """
)


_POSITIONS = text("SELECT shard, position FROM shards")
_IS_KEPT = text(
    """
    SELECT position <= :position OR EXISTS (
        SELECT FROM log WHERE log.shard = CAST(:shard AS smallint) AND log.position = CAST(:position AS bigint) + 1
    ) AS is_kept
    FROM shards WHERE shard = :shard
    """
)
_ACCOUNTS_AT = text(
    """
    SELECT named.account, first.entered_at AS created_at, earlier.value
    FROM unnest(CAST(:accounts AS text[])) AS named(account)
    JOIN account_phases AS first
        ON first.organization = :organization AND first.account = named.account AND first.number = 1
    LEFT JOIN LATERAL (
        SELECT value FROM log
        WHERE boundary = CAST(:organization AS text) AND topic = 'accounts' AND position <= :position
            AND key = convert_to(CAST(:organization AS text) || '/' || named.account, 'UTF8')
            -- Not one that tells of a phase alone; its attributes come first, and no text ahead of them is a sender's.
            AND value LIKE CAST('{"specversion":"1.0",%,"type":"io.milo.billing.AccountChanged.v1",%' AS bytea)
        ORDER BY position DESC LIMIT 1
    ) AS earlier ON true
    """
)
_KINDS = text(
    """
    SELECT payment_profile, kind FROM payment_profiles
    WHERE organization = :organization AND payment_profile = ANY(CAST(:profiles AS text[]))
    """
)
_CHANGES = text(
    """
    WITH event AS MATERIALIZED (
        SELECT key, CASE WHEN topic = 'bindings' THEN CAST(convert_from(value, 'UTF8') AS json) -> 'data' END AS data
        FROM log
        WHERE boundary = :organization AND position > :position AND position <= :until
            AND topic IN ('accounts', 'bindings')
    ), change(account, gained) AS (
        SELECT data -> 'current' ->> 'account', 1 FROM event
        UNION ALL SELECT data -> 'previous' ->> 'account', -1 FROM event
        UNION ALL SELECT split_part(convert_from(key, 'UTF8'), '/', 2), 0 FROM event WHERE data IS NULL
    )
    SELECT account, sum(gained) AS gained FROM change WHERE account IS NOT NULL GROUP BY account
    """
)
_LINKED = text(
    """
    SELECT named.account, (
        SELECT count(*) FROM projects
        WHERE projects.organization = :organization AND projects.account = named.account
    ) AS linked
    FROM unnest(CAST(:accounts AS text[])) AS named(account)
    """
)
