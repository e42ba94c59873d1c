"""What is done while somebody's records wait in a partition, and those of others behind them do not."""

from itertools import count

from sqlalchemy import text

from db.placing import shard_of
from tests.faults.matrix import give_up_for_dead
from tests.faults.moving import CONSUMERS, ends, move_groups
from tests.faults.stage import Scenario, Stage
from tests.support.messages import account
from tests.support.waiting import until
from workers.runtime.settings import Settings

_SMALL_BATCHES = {"WHOPAYS_BATCH_MAX_RECORDS": "4"}
_HOLD = text("SELECT FROM shards WHERE shard = :shard FOR UPDATE")
_ANSWERED = text("SELECT count(*) > 0 FROM inbox WHERE organization = :organization")


async def _killed_above_a_gap(stage: Stage) -> list[str]:
    """The first in a partition is held up, the next is decided; then the process is killed, and offsets are moved."""
    await stage.begun()
    beside = _beside("acme", stage.installation.settings)
    async with stage.installation.engine.begin() as holding:
        await holding.execute(_HOLD, {"shard": shard_of("acme", stage.installation.settings.shards)})
        await stage.bind("behind", "b")
        await stage.load.say(account(beside, "main"))
        worker = await stage.start(*CONSUMERS, settings=_SMALL_BATCHES)

        async def answered() -> bool:
            async with stage.installation.engine.connect() as connection:
                return bool((await connection.execute(_ANSWERED, {"organization": beside})).scalar_one())

        await until(answered, "whoever is not held up")
        await worker.kill()
    await give_up_for_dead(stage.installation, CONSUMERS)
    await move_groups(stage.installation, {role: await ends(stage.installation, role) for role in CONSUMERS})
    await stage.start()
    return await stage.goes_wrong_after()


def _beside(organization: str, settings: Settings) -> str:
    """Return another organization in the same partition, and in another shard."""
    return next(
        name
        for name in (f"beside-{number}" for number in count())
        if shard_of(name, settings.topic_partitions) == shard_of(organization, settings.topic_partitions)
        and shard_of(name, settings.shards) != shard_of(organization, settings.shards)
    )


READING_AHEAD: dict[str, Scenario] = {"killed above a gap": _killed_above_a_gap}
