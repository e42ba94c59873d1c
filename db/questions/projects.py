"""Questions about projects."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from db.driver import Connection, Statement, fetch
from db.questions.held import HELD, HELD_COLUMNS, held_interval
from db.questions.pages import After, Page, page_of
from db.questions.reached import spans_of
from db.questions.snapshots import SNAPSHOTS, Snapshot, snapshot_in
from domain.reach import EVERYTHING, Reach
from schemas.instants import format_instant

if TYPE_CHECKING:
    from schemas.facts import ProjectState

Kind = Literal["Paid", "Bound", "Unbound", "Any"]
"""A filter of projects by payer: `Paid` are those of one account, `Bound` those with any payer."""


async def project(connection: Connection, organization: str, project: str) -> dict[str, Any] | None:
    """Return a project, including a deleted one; None if it was never reported.

    It has `organization`, `project`, `state`, `version`, `uid?`, `displayName?`; `payer`, an interval, or None;
    `scheduled`, with `account`, `effectiveAt`, `commandId`, `commandSource`, or None; `waiting`, a list of `account`,
    `until`, `commandId`, `commandSource`, in order.
    """
    rows = await fetch(connection, _PROJECT, organization=organization, project=project)
    return _whole(rows) if rows else None


async def project_and_snapshot(
    connection: Connection, shard: int, organization: str, project: str
) -> tuple[Snapshot, dict[str, Any] | None]:
    """Return the same as `project`, and its snapshot: one statement is one snapshot, so no transaction is needed."""
    rows = await fetch(connection, _PROJECT_AND_SNAPSHOT, shards=[shard], organization=organization, project=project)
    return snapshot_in(rows[0]), None if rows[0]["project"] is None else _whole(rows)


async def projects(
    connection: Connection,
    organization: str,
    *,
    account: str | None = None,
    unbound: bool | None = None,
    state: "ProjectState | None" = None,
    at: datetime | None = None,
    limit: int,
    after: After | None = None,
    reach: Reach = EVERYTHING,
) -> Page:
    """Return a page of projects by name, as in `project` without `scheduled` and `waiting`. The key is `(project,)`.

    `account` selects those that it pays for, or paid for at `at`, including deleted ones. `unbound` selects those
    without a payer, or with one; it cannot be combined with `account` or `at`. Without `at`, deleted projects are left
    out unless `state` is `Deleted`. With `at`, `payer` is as of that instant, with its `endedAt`; the rest is current.
    Projects out of reach are left out, and an `account` out of reach matches nothing.
    """
    if account is not None and not reach.sees_account(account):
        return [], None
    (name,) = after or ("",)
    kind: Kind = "Paid" if account is not None else _BY_PAYER[unbound]
    is_narrow = reach.projects is not None
    statement = projects_statement(kind, state, is_past=at is not None, is_narrow=is_narrow)
    values: dict[str, Any] = {"organization": organization, "after": name, "row_limit": limit + 1}
    if is_narrow:
        spans = spans_of(reach.projects, name)
        values |= {"lows": spans.lows, "highs": spans.highs}
    if account is not None:
        values["account"] = account
    if at is not None:
        values["at"] = at
    rows = await fetch(connection, statement, **values)
    return page_of(rows, limit, lambda row: described(row) | {"payer": held_interval(row)}, "project")


@cache
def projects_statement(
    kind: Kind, state: "ProjectState | None", *, is_past: bool, is_narrow: bool = False
) -> Statement:
    """Return the statement for a list of projects: each combination has its own statement, and so its own index.

    A narrow statement covers projects whose names are in spans.
    """
    if not is_narrow:
        return Statement(_listed(kind, state, is_past=is_past))
    # Take the limit from each span, then from all of them.
    return Statement(
        f"""
        SELECT found.* FROM unnest(CAST(:lows AS text[]), CAST(:highs AS text[])) AS span(low, high)
        CROSS JOIN LATERAL ({_listed(kind, state, " BETWEEN span.low AND span.high", is_past=is_past)}) AS found
        ORDER BY found.project LIMIT :row_limit
        """
    )


def described(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a project's reported data: `organization`, `project`, `state`, `version`, `uid?`, `displayName?`."""
    optional = {"uid": row["uid"], "displayName": row["display_name"]}
    return {
        "organization": row["organization"],
        "project": row["project"],
        "state": row["state"],
        "version": row["version"],
        **{name: value for name, value in optional.items() if value is not None},
    }


def _listed(kind: Kind, state: "ProjectState | None", within: str = "", *, is_past: bool) -> str:
    if kind == "Paid" and is_past:
        reached = f" AND paid.project{within}" if within else ""
        return _PAID_AT.format(columns=_REPORTED, state=_IN_STATE[state] + reached)
    # Deleted projects, which nobody pays for, are only returned if a state is given or the list is of a past instant.
    live = "" if is_past or state is not None else " AND projects.state <> 'Deleted'"
    if kind == "Unbound" and state != "Deleted":
        live = " AND projects.state <> 'Deleted'"
    reached = f" AND projects.project{within}" if within else ""
    condition = f"{_OF_KIND[kind]}{live}{_IN_STATE[state]}{reached}"
    payer = HELD if is_past else _HEAD
    asked = "(VALUES (CAST(:at AS timestamptz))) AS asked(at) CROSS JOIN" if is_past else ""
    return f"""
        SELECT {_REPORTED}, {HELD_COLUMNS} FROM {asked} projects {payer}
        WHERE projects.organization = :organization AND projects.project > :after {condition}
        ORDER BY projects.project LIMIT :row_limit
    """


def _whole(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    pending = [(row["kind"], _pending(row)) for row in rows if row["kind"] is not None]
    return described(rows[0]) | {
        "payer": held_interval(rows[0]),
        "scheduled": next((one for kind, one in pending if kind == "Scheduled"), None),
        "waiting": [one for kind, one in pending if kind == "Waiting"],
    }


def _pending(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "account": row["pending_account"],
        "effectiveAt" if row["kind"] == "Scheduled" else "until": format_instant(row["due_at"]),
        "commandId": row["command_id"],
        "commandSource": row["command_source"],
    }


_REPORTED = "projects.state, projects.version, projects.uid, projects.display_name"
_IN_STATE: "dict[ProjectState | None, str]" = {
    None: "",
    "Active": " AND projects.state = 'Active'",
    "Inactive": " AND projects.state = 'Inactive'",
    "Deleted": " AND projects.state = 'Deleted'",
}
_BY_PAYER: dict[bool | None, Kind] = {None: "Any", True: "Unbound", False: "Bound"}
_OF_KIND: dict[Kind, str] = {
    "Any": "",
    "Paid": " AND projects.account = :account",
    "Bound": " AND projects.account IS NOT NULL",
    "Unbound": " AND projects.account IS NULL",
}
_HEAD = """
    CROSS JOIN LATERAL (
        SELECT projects.account, projects.number, projects.legacy_id, projects.payer_since AS established_at,
            CAST(NULL AS timestamptz) AS ended_at
    ) AS payer
    LEFT JOIN accounts ON accounts.organization = projects.organization AND accounts.account = projects.account
"""
_PAID_AT = """
    SELECT {columns}, paid.organization, paid.project, paid.account, paid.number, paid.legacy_id,
        accounts.currency_code, paid.from_instant AS established_at, following.from_instant AS ended_at
    FROM bindings AS paid
    LEFT JOIN bindings AS following ON following.organization = paid.organization
        AND following.project = paid.project AND following.number = paid.number + 1
    JOIN projects ON projects.organization = paid.organization AND projects.project = paid.project
    JOIN accounts ON accounts.organization = paid.organization AND accounts.account = paid.account
    WHERE paid.organization = :organization AND paid.account = :account AND paid.project > :after
        AND paid.from_instant <= :at AND (following.from_instant IS NULL OR following.from_instant > :at) {state}
    ORDER BY paid.project LIMIT :row_limit
"""
_ONE = f"""
    SELECT {_REPORTED}, {HELD_COLUMNS}, pending.kind, pending.account AS pending_account, pending.due_at,
        pending.origin ->> 'caused_by' AS command_id, pending.source AS command_source,
        pending.number AS pending_number
    FROM projects {_HEAD}
    -- By the requested names: the project's own column has another collation than the index.
    LEFT JOIN pending_bindings AS pending ON pending.organization = :organization AND pending.project = :project
    WHERE projects.organization = :organization AND projects.project = :project
"""
_PROJECT = Statement(f"{_ONE} ORDER BY pending_number")
_PROJECT_AND_SNAPSHOT = Statement(
    f"SELECT * FROM ({SNAPSHOTS}) AS known LEFT JOIN ({_ONE}) AS found ON true ORDER BY found.pending_number"
)
