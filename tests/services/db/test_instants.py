"""Every instant of the calendar, through every column that holds one: also the first and the last, which Go, .NET and
many people use for "never"."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.driver import driver, fetch
from db.load import _BOUND
from db.questions import accounts
from db.questions.intervals import timeline
from db.questions.payers import paying_account
from db.tables import metadata
from db.tables.base import INSTANT
from domain.needs import Needs
from domain.state import Binding, Change, FanOut, PaymentProfile, PendingBinding, Project
from schemas.instants import format_instant
from tests.services.db.records_of_each_kind import BINDING, FAN_OUT, FULL, NEEDS, PROFILES, PROJECT, pending_binding
from tests.services.db.storing import KEYS, kept

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INSTANTS = [
    _FIRST, _FIRST + _MICROSECOND, datetime(1582, 10, 15, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(2000, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, UTC), _LAST - _MICROSECOND, _LAST,
]  # fmt: skip
_ALONE = 'CREATE TEMP TABLE alone AS SELECT "{column}" AS instant FROM {table} LIMIT 0'
_COLUMNS = [
    (table, column.name) for table in metadata.sorted_tables for column in table.columns if column.type is INSTANT
]


def test_no_column_of_an_instant_is_of_another_type() -> None:
    types = {str(column.type) for table in metadata.sorted_tables for column in table.columns}
    assert {one for one in types if "TIME" in one or "DATE" in one} == {str(INSTANT)}
    assert len(_COLUMNS) >= 15


async def _alone(connection: AsyncConnection, table: Table, column: str) -> None:
    """Create a table with one column, of its type in the database."""
    await connection.execute(text("DROP TABLE IF EXISTS alone"))
    await connection.execute(text(_ALONE.format(column=column, table=table)))


@pytest.mark.parametrize(("table", "column"), _COLUMNS, ids=[f"{table}-{column}" for table, column in _COLUMNS])
async def test_what_is_written_is_read(engine: AsyncEngine, table: Table, column: str) -> None:
    """By every way of writing, and every way of reading."""
    async with engine.connect() as connection:
        await _alone(connection, table, column)
        one_by_one = text("INSERT INTO alone VALUES (:instant)")
        await connection.execute(one_by_one, [{"instant": instant} for instant in _INSTANTS])
        at_once = text("INSERT INTO alone SELECT * FROM unnest(CAST(:instants AS timestamptz[]))")
        await fetch(connection, at_once, instants=_INSTANTS)
        await (await driver(connection)).copy_records_to_table("alone", records=[(one,) for one in _INSTANTS])
        assert (await connection.execute(text("SELECT count(*) FROM alone WHERE NOT isfinite(instant)"))).scalar() == 0
        selected = text("SELECT instant FROM alone ORDER BY instant")
        expected = sorted(_INSTANTS * 3)
        assert list((await connection.execute(selected)).scalars()) == expected
        assert [row["instant"] for row in await fetch(connection, selected)] == expected
        (array,) = await fetch(connection, text("SELECT array_agg(instant ORDER BY instant) AS instants FROM alone"))
        assert array["instants"] == expected


async def test_what_earlier_versions_wrote_for_the_ends_is_read_as_such(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        found = await connection.execute(
            text("SELECT * FROM unnest(array['-infinity', 'infinity']\\:\\:timestamptz[]) AS instant")
        )
        assert list(found.scalars()) == [_FIRST, _LAST]


def _records(edge: datetime) -> list[Change]:
    """Return all records that hold instants, with all of these at an edge."""
    assert FULL.balance is not None
    account = replace(FULL, activated_at=edge, balance=replace(FULL.balance, as_of=edge))
    binding = replace(BINDING, from_instant=edge)
    records: list[Change] = [
        account,
        binding,
        PROJECT.after(binding),
        replace(PROFILES[0], expires_at=edge, due_at=edge),
        replace(FAN_OUT, instant=edge),
        replace(pending_binding(1, effective_at=edge), due_at=edge),
    ]
    for record in records:
        for field in fields(record):
            assert "datetime" not in str(field.type) or getattr(record, field.name) == edge, (record, field.name)
    return records


@pytest.mark.parametrize("edge", (_FIRST, _LAST), ids=("first", "last"))
async def test_records_and_questions_at_the_ends_of_the_calendar(engine: AsyncEngine, edge: datetime) -> None:
    account, binding, project, profile, fan_out, pending = records = _records(edge)
    assert isinstance(project, Project)
    assert isinstance(profile, PaymentProfile)
    assert isinstance(fan_out, FanOut)
    assert isinstance(pending, PendingBinding)
    assert isinstance(binding, Binding)
    needs = replace(NEEDS, fan_outs={FULL.key})
    book = (await kept(engine, *records)).book
    found = (await kept(engine, needs=needs)).book
    for known in (book, found):
        assert known.account(*FULL.key) == account
        assert known.project(*project.key) == project
        assert known.payment_profile(*profile.key) == profile
        assert known.fan_outs(FULL.key) == [fan_out]
        assert known.scheduled(project.key) == pending
    assert found.page(fan_out) == (["web"], True)
    async with engine.connect() as connection:
        told: Any = await accounts.account(connection, *FULL.key, with_balance=True, keys=KEYS)
        assert (told["balance"]["asOf"], told["activatedAt"]) == (format_instant(edge), format_instant(edge))
        assert await paying_account(connection, *project.key, at=edge) == "full"
        (entry,) = await timeline(connection, *project.key)
        assert (entry.established_at, entry.ended_at) == (edge, None)


async def test_an_account_that_never_paid_since_the_beginning_of_time(engine: AsyncEngine) -> None:
    second = replace(BINDING, number=2, account=None, from_instant=_LAST)
    first = replace(BINDING, from_instant=_FIRST)
    project = PROJECT.after(first)
    await kept(engine, FULL, first, project, second, project.after(second))
    bound = (await kept(engine, needs=Needs(turning={FULL.key}))).book.bound_projects(FULL)
    assert (bound.count, bound.last_ended_at) == (0, _LAST)
    async with engine.connect() as connection:
        rows = await fetch(connection, _BOUND, a=["acme"], b=["full"], row_limit=1)
        assert rows[0]["last_ended_at"] == _LAST
        for at, payer in ((_FIRST, "full"), (_LAST - _MICROSECOND, "full"), (_LAST, None)):
            assert await paying_account(connection, "acme", "web", at=at) == payer
