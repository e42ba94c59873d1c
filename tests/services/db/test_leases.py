"""Leases of relays: one holder at a time, by the database's clock."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.leases import chores_done, give_up_chore, give_up_lease, take_chore, take_lease

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


async def test_a_chore_has_one_holder_and_is_given_up_alone(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for chore in ("tidy", "sweep"):
            assert await take_chore(connection, chore, "one", _HOUR)
            assert not await take_chore(connection, chore, "other", _HOUR)
            assert await take_chore(connection, chore, "one", _HOUR), "its holder renews it"
        await give_up_chore(connection, "tidy", "other", is_done=True)
        assert await chores_done(connection) == {"tidy": None, "sweep": None}
        await give_up_chore(connection, "tidy", "one", is_done=True)
        done = await chores_done(connection)
        assert (done["tidy"] is None, done["sweep"]) == (False, None)
        assert await take_chore(connection, "tidy", "other", _HOUR)
        assert not await take_chore(connection, "sweep", "other", _HOUR)
        await give_up_chore(connection, "tidy", "other", is_done=False)
        assert await chores_done(connection) == done, "there was something left, and it was done once"
