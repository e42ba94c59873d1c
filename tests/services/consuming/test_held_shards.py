"""Somebody else's session holds a shard: only that shard's organizations wait for it."""

from itertools import count

from sqlalchemy import text

from db.placing import shard_of
from tests.support.installations import Installation
from tests.support.kafka import exactly_published, results, send
from tests.support.messages import account
from tests.support.waiting import until

_HOLD = text("SELECT FROM shards WHERE shard = :shard FOR UPDATE")
_STANDS_AT_IT = text(
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND query LIKE '%FROM shards%FOR UPDATE%'"
)
_ANSWERED = text("SELECT array_agg(DISTINCT organization) FROM inbox")


async def test_others_are_decided_beside_a_shard_that_somebody_else_holds(installation: Installation) -> None:
    shards = installation.settings.shards
    beside = next(name for n in count() if shard_of(name := f"beside-{n}", shards) != shard_of("acme", shards))
    async with installation.engine.begin() as holding:
        await holding.execute(_HOLD, {"shard": shard_of("acme", shards)})
        await send(installation, [account("acme", "main")])

        async def stands_at_it() -> bool:
            async with installation.engine.connect() as connection:
                return bool((await connection.execute(_STANDS_AT_IT)).scalar_one())

        await until(stands_at_it, "a batch at the lock")
        await send(installation, [account("acme", "spare"), account(beside, "other")])

        async def answered() -> list[str] | None:
            async with installation.engine.connect() as connection:
                found: list[str] | None = (await connection.execute(_ANSWERED)).scalar_one()
            return found

        assert await until(answered, "whoever is in another shard") == [beside]
    found = results(await exactly_published(installation))
    assert found.keys() >= {"create-main", "create-spare", "create-other"}
