"""What is done to replays, of a mutant or not; their topics are compared with what the log's rows alone give."""

import orjson

from tests.faults import failpoints
from tests.faults.replaying import give_up_for_dead, replay
from tests.faults.stage import Scenario, Stage
from tests.services.replaying import reference
from tests.services.replaying.telling import close, log_of, records_of, say_much
from tests.support.installations import Installation

_COMMITTED = "producer.transact: asyncio.shield after"


async def _killed_after_a_commit(stage: Stage) -> list[str]:
    """A replay is killed between a commit and whatever comes next, and another process goes on."""
    await spoken(stage.installation)
    return await _compared(stage, "killed", {_COMMITTED: failpoints.KILL})


async def _undisturbed(stage: Stage) -> list[str]:
    """Nothing is broken; the end of a replay and of a snapshot is the very instant of an event."""
    await spoken(stage.installation)
    log = await log_of(stage.installation)
    instants = sorted(row.event["time"] for row in log)
    wrong = await _compared(stage, "whole", {}, until=instants[len(instants) // 2])
    return wrong + await _compared(stage, "latest", {}, until=instants[-1], latest=True)


async def spoken(installation: Installation) -> None:
    """Say much, and stop once all of it is published and closed."""
    worker = await installation.start()
    await say_much(installation)
    await close(installation)
    assert await worker.stop() == 0


async def _compared(
    stage: Stage, name: str, plan: dict[str, str], *, until: str | None = None, latest: bool = False
) -> list[str]:
    words = ["--partitions=2", *([f"--until={until}"] if until else []), *(["--latest"] if latest else [])]
    status, said = await replay(stage.installation, "start", name, *words, plan=plan, mutant=stage.mutant)
    if plan:
        await give_up_for_dead(stage.installation, name)
        status, said = await replay(stage.installation, "start", name, *words, mutant=stage.mutant)
    if status != 0:
        return [f"a replay ended with {status}: {said}"]
    found = await records_of(stage.installation, f"{stage.installation.prefix}replay.{name}")
    end = orjson.loads(found[0][-1].value)["data"]["until"]
    wanted = reference.expected(await log_of(stage.installation), 2, until=end, latest=latest)
    wrong = []
    for number, (records, rows) in enumerate(zip(found, wanted, strict=True)):
        if [(one.key, one.value) for one in records[:-1]] != [(row.key, row.value) for row in rows]:
            wrong.append(f"partition {number} holds {len(records) - 1} records, not the {len(rows)} that the log gives")
        if orjson.loads(records[-1].value)["data"]["digest"] != reference.digest(rows):
            wrong.append(f"the digest of partition {number} is another")
    return wrong


REPLAYING: dict[str, Scenario] = {
    "a replay killed after a commit": _killed_after_a_commit,
    "replays undisturbed": _undisturbed,
}
