"""Leases of relays: one holder at a time, by the database's clock."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.leases import give_up_lease, take_lease

_HOUR = 3600.0


async def test_a_lease_has_one_holder_until_it_is_given_up(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        assert await take_lease(connection, 1, 0, "one", _HOUR)
        assert not await take_lease(connection, 1, 0, "other", _HOUR)
        assert await take_lease(connection, 1, 0, "one", _HOUR), "its holder renews it"
        assert not await take_lease(connection, 1, 0, "other", _HOUR)
        assert await take_lease(connection, 1, 1, "other", _HOUR), "another slot has a lease of its own"
        await give_up_lease(connection, 0, "other")
        assert not await take_lease(connection, 1, 0, "other", _HOUR), "nobody gives up the lease of another"
        await give_up_lease(connection, 0, "one")
        assert await take_lease(connection, 1, 0, "other", _HOUR)
        assert not await take_lease(connection, 1, 0, "one", _HOUR)


async def test_a_lease_that_has_expired_or_lies_too_far_ahead_is_free(engine: AsyncEngine) -> None:
    moved = text("UPDATE relay_leases SET expires_at = clock_timestamp() + make_interval(secs => :seconds)")
    async with engine.begin() as connection:
        for seconds, is_free in ((-1, True), (590, False), (700, True)):
            assert await take_lease(connection, 1, 0, "one", 60)
            await connection.execute(moved, {"seconds": seconds})
            assert await take_lease(connection, 1, 0, "other", 60) == is_free, seconds
            await connection.execute(text("DELETE FROM relay_leases"))
