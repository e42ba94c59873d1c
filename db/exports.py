"""Exports payer intervals in bulk, for invoices: PostgreSQL writes the rows as text, and they are streamed through.

The columns follow FOCUS 1.2 (the FinOps Open Cost and Usage Specification) where it has them; docs/export.md describes
each.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import driver

TEXT, INSTANT, BOOLEAN = "String", "Date/Time", "Boolean"
Sink = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Exported:
    """The scope of an export: payers within `[begins, ends)`, of one organization or of all.

    `closed` is the instant up to which the data is final; None if it is not known.
    """

    begins: datetime
    ends: datetime
    organization: str | None
    closed: datetime | None

    @property
    def is_settled(self) -> bool:
        """Whether no later change can lie within the period (docs/contract.md section 11)."""
        return self.closed is not None and self.ends <= self.closed


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its name, its FOCUS data type, and the SQL of its value."""

    name: str
    type: str
    value: str
    is_free_text: bool = False


async def count_intervals(connection: AsyncConnection, what: Exported) -> int:
    """Return the number of intervals in an export."""
    # Without `closed`, which the statement does not use: PostgreSQL rejects a surplus parameter.
    bounds = what.begins, what.ends, what.organization
    count: int = await (await driver(connection)).fetchval(f"SELECT count(*) {_FROM}", *bounds)
    return count


async def copy_intervals(
    connection: AsyncConnection, what: Exported, form: Literal["csv", "ndjson", "table"], sink: Sink
) -> int:
    """Pass the intervals to `sink` as UTF-8 text, whole rows at a time, and return their number.

    They are ordered by organization, project and begin. `csv` is also for people: it has a header line, and text that a
    spreadsheet would take for a formula is prefixed with an apostrophe. `table` is CSV without either.
    """
    await connection.execute(_FOR_ALL_ROWS)
    raw = await driver(connection)
    if form == "ndjson":
        values = ", ".join(f'{_json(column)} AS "{column.name}"' for column in COLUMNS)
        query = f"SELECT row_to_json(item) FROM (SELECT {values} {_FROM} {_ORDER}) AS item"
        # JSON text holds none of these characters, so PostgreSQL quotes nothing.
        layout = {"quote": "\x01", "escape": "\x01", "delimiter": "\x02"}
    else:
        values = ", ".join(f'{_csv(column, for_people=form == "csv")} AS "{column.name}"' for column in COLUMNS)
        query, layout = f"SELECT {values} {_FROM} {_ORDER}", {}
    arguments = what.begins, what.ends, what.organization, what.closed
    status: str = await raw.copy_from_query(
        query, *arguments, output=sink, format="csv", header=form == "csv", encoding="utf-8", **layout
    )
    return int(status.rsplit(maxsplit=1)[-1])


def _json(column: _Column) -> str:
    return _instant(column.value) if column.type == INSTANT else column.value


def _csv(column: _Column, *, for_people: bool) -> str:
    if column.is_free_text and for_people:
        return f"CASE WHEN {column.value} ~ {_LIKE_A_FORMULA} THEN '''' || {column.value} ELSE {column.value} END"
    return f"CAST({column.value} AS text)" if column.type == BOOLEAN else _json(column)


def _instant(value: str) -> str:
    return f"""to_char({value} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


_BEGINS, _ENDS, _CLOSED = (f"CAST(${number} AS timestamptz)" for number in (1, 2, 4))
_ORGANIZATION = "CAST($3 AS text)"
_LIKE_A_FORMULA = r"'^[=+\-@\t\r＝＋－＠]'"  # noqa: RUF001 - spreadsheets treat the full-width forms the same
_CHARGE_ENDS = f"CASE WHEN paid.ended_at IS NOT NULL OR {_ENDS} <= {_CLOSED} THEN least(paid.ended_at, {_ENDS}) END"
COLUMNS = (
    _Column("BillingAccountId", TEXT, "paid.organization || '/' || paid.account"),
    _Column("BillingAccountName", TEXT, "coalesce(accounts.display_name, paid.account)", is_free_text=True),
    _Column("BillingCurrency", TEXT, "accounts.currency_code"),
    _Column("BillingPeriodEnd", INSTANT, _ENDS),
    _Column("BillingPeriodStart", INSTANT, _BEGINS),
    _Column("ChargePeriodEnd", INSTANT, _CHARGE_ENDS),
    _Column("ChargePeriodStart", INSTANT, f"greatest(paid.from_instant, {_BEGINS})"),
    _Column("SubAccountId", TEXT, "paid.organization || '/' || paid.project"),
    _Column("SubAccountName", TEXT, "coalesce(projects.display_name, paid.project)", is_free_text=True),
    _Column("x_Account", TEXT, "paid.account"),
    _Column(
        "x_BindingId", TEXT,
        "coalesce(paid.legacy_id, paid.organization || '/' || paid.project || '/' || paid.number)",
    ),
    _Column("x_EndedAt", INSTANT, "paid.ended_at"),
    _Column("x_EstablishedAt", INSTANT, "paid.from_instant"),
    _Column("x_Organization", TEXT, "paid.organization"),
    _Column("x_Project", TEXT, "paid.project"),
    _Column("x_Settled", BOOLEAN, f"coalesce(least(paid.ended_at, {_ENDS}) <= {_CLOSED}, false)"),
)  # fmt: skip
"""The columns in order: those of FOCUS first, then those of whopays."""

# One pass along the primary key, without sorting: each change of payer ends where the next one begins.
_FROM = f"""
    FROM (
        SELECT bindings.*, lead(from_instant) OVER (PARTITION BY organization, project ORDER BY number) AS ended_at
        FROM bindings WHERE {_ORGANIZATION} IS NULL OR organization = {_ORGANIZATION}
    ) AS paid
    JOIN accounts ON accounts.organization = paid.organization AND accounts.account = paid.account
    JOIN projects ON projects.organization = paid.organization AND projects.project = paid.project
    WHERE paid.from_instant < {_ENDS} AND (paid.ended_at IS NULL OR paid.ended_at > {_BEGINS})
"""
_ORDER = "ORDER BY paid.organization, paid.project, paid.number"
_FOR_ALL_ROWS = text(
    "SELECT set_config(name, 'on', true) FROM unnest(ARRAY['enable_hashjoin', 'enable_mergejoin']) name"
)
