"""The verdict of the last audit: kept once, by whoever may write, and read by any driver."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.findings import Promise
from db.audits import Begun, LastAudit, begin_audit, keep_audit, last_audit
from db.engine import create_engine
from db.reading import create_reading_engine, reading_pool

_NOTHING = dict.fromkeys(map(str, Promise), 0)


async def test_the_last_that_began_is_kept(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        assert await last_audit(connection) is None
        await connection.execute(text("UPDATE shards SET position = shard"))
    first = await begin_audit(engine)
    second = await begin_audit(engine)
    async with engine.connect() as connection:
        assert first.events == (await connection.execute(text("SELECT sum(shard) FROM shards"))).scalar_one() > 0
    assert await keep_audit(engine, second, _NOTHING | {Promise.PAYERS: 2})
    assert await keep_audit(engine, first, _NOTHING)
    kept = await _kept(engine)
    assert (kept.begun, kept.findings) == (second, _NOTHING | {"payers": 2})
    assert kept.ended_at > second.at
    later = Begun(second.at + timedelta(seconds=1), 7)
    assert await keep_audit(engine, later, _NOTHING)
    assert replace(await _kept(engine), ended_at=kept.ended_at) == LastAudit(later, kept.ended_at, _NOTHING)


async def test_who_may_only_read_keeps_nothing(engine: AsyncEngine, role: str) -> None:
    url = engine.url.render_as_string(hide_password=False)
    reading = create_reading_engine(url, pool_size=1, statement_seconds=30)
    as_role = engine.url.set(username=role, password="secret").render_as_string(hide_password=False)
    other = create_engine(as_role, pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"'))
        for one in (reading, other):
            assert not await keep_audit(one, await begin_audit(one), _NOTHING)
        async with other.connect() as connection:
            assert await last_audit(connection) is None
    finally:
        await reading.dispose()
        await other.dispose()
        async with engine.begin() as connection:
            await connection.execute(text(f'DROP OWNED BY "{role}"'))


async def _kept(engine: AsyncEngine) -> LastAudit:
    """Return what is kept, which both drivers read alike."""
    async with engine.connect() as connection:
        kept = await last_audit(connection)
    url = engine.url.render_as_string(hide_password=False)
    async with reading_pool(url, pool_size=1, statement_seconds=30) as pool, pool.acquire() as connection:
        assert await last_audit(connection) == kept
    assert kept is not None
    return kept
