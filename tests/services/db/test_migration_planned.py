"""What a migration would do to a database: what is left of all migrations, and which tables are the largest."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.migration_plan import migration_plan, migrations
from db.refusal import ForeignInstallation
from db.revisions import head_revision, revisions
from db.tables import metadata

_NAME, _SHARDS = "template", 48
_FILL = text(
    "INSERT INTO log SELECT 1, number, now(), 't', NULL, convert_to(repeat(md5(number::text), 30), 'UTF8'), '' "
    "FROM generate_series(1, 2000) AS number"
)


async def test_what_is_left_and_on_how_much(engine: AsyncEngine) -> None:
    every = [one.revision for one in migrations()]
    assert every == revisions()
    async with engine.begin() as connection:
        await connection.execute(_FILL)
        await connection.execute(text("UPDATE installation SET name = :name"), {"name": _NAME})
    for present in every[-3:]:
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = :present"), {"present": present})
        plan = await migration_plan(engine, _NAME, _SHARDS)
        assert (plan.present, plan.wanted) == (present, head_revision())
        assert [one.revision for one in plan.migrations] == [one for one in every if one > present]
        names, sizes = zip(*plan.largest_tables, strict=True)
        assert (names[0], len(names)) == ("log", 3), "its partitions count for it"
        assert set(names) <= {*metadata.tables, "alembic_version"}
        assert list(sizes) == sorted(sizes, reverse=True)
        assert sizes[0] > 1_000_000
    for name, shards in (("another", _SHARDS), (_NAME, 7)):
        with pytest.raises(ForeignInstallation):
            await migration_plan(engine, name, shards)


async def test_of_an_empty_database_everything_is_left(empty: AsyncEngine) -> None:
    plan = await migration_plan(empty, "here", 6)
    assert (plan.present, plan.largest_tables) == (None, ())
    assert [one.revision for one in plan.migrations] == revisions()
