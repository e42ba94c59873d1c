"""What must hold once a fault is over: everything sent is answered and published, once, and nothing is wrong."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from tests.faults.judge import is_published, judged, unfinished, watermarks
from tests.faults.load import Load
from tests.services.audit.auditing import findings_of
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, exactly_published
from tests.support.waiting import until

_PATIENCE_SECONDS = 120.0
_MOST_SHOWN = 20
_ENDS = ("role_failed", "consumer_failed")


async def all_is_well(load: Load) -> None:
    """Wait until a running installation has worked off everything that was sent, and have three judges judge it."""
    await come_to_rest(load)
    await exactly_published(load.installation)
    wrong = await _judged_by_both(load)
    assert not wrong, f"{len(wrong)} findings, load of seed {load.seed}:\n" + "\n".join(wrong[:_MOST_SHOWN])


async def verdict(load: Load, patience: float = _PATIENCE_SECONDS) -> list[str]:
    """Return in words all that is wrong, which may be a lot: also that it never comes to rest, or what ended a role.

    Processes that have ended are not waited for.
    """
    resting = asyncio.create_task(come_to_rest(load, patience))
    ending = asyncio.create_task(until(lambda: _have_ended(load.installation), "the end of a role", 3 * patience))
    await asyncio.wait([resting, ending], return_when=asyncio.FIRST_COMPLETED)
    wrong = []
    if not resting.done():
        wrong.append("does not come to rest: a role has ended")
    elif (restless := resting.exception()) is not None:
        wrong.append(f"does not come to rest: {restless}")
    else:
        try:
            await exactly_published(load.installation)
        except AssertionError as difference:
            wrong.append(f"what is published is not the log: {difference}")
    for task in (resting, ending):
        task.cancel()
    await asyncio.gather(resting, ending, return_exceptions=True)
    return [*faults_in(load.installation), *wrong, *await _judged_by_both(load)]


def faults_in(installation: Installation) -> list[str]:
    """Return what ended roles, and what the database refused, according to the logs of all processes."""
    return [fault for worker in installation.workers for fault in _faults(worker.lines)]


async def come_to_rest(load: Load, patience: float = _PATIENCE_SECONDS) -> None:
    """Wait until all that was sent is decided and published.

    Also wait for what happens by itself: waiting bindings, notices, expiring profiles.
    """
    await until(lambda: _is_consumed(load), "the consumers", patience)

    async def finished() -> bool:
        return not await unfinished(load)

    await until(finished, "what waits, is scheduled or runs out", patience)
    await until(lambda: is_published(load), "the relay", patience)


async def closed_beyond_now(load: Load, partitions: int) -> None:
    """Wait for a watermark that closes this moment and tells of so many partitions."""
    now = datetime.now(UTC)

    async def is_closed() -> bool:
        data = [json.loads(one.value)["data"] for one in await watermarks(load)]
        return any(
            datetime.fromisoformat(one["closedUntil"]) > now and len(one["offsets"]) == partitions for one in data
        )

    await until(is_closed, f"a watermark of {partitions} partitions")


async def _judged_by_both(load: Load) -> list[str]:
    return [f"whopays verify: {finding}" for finding in await findings_of(load.installation)] + await judged(load)


async def _have_ended(installation: Installation) -> bool:
    return any(end in line for worker in installation.workers for line in worker.lines for end in _ENDS)


def _faults(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("{"):
            continue
        told = json.loads(line)
        # Each fault without its traceback, which is indented.
        causes = [
            " ".join(line for line in part.splitlines() if not line.startswith(" "))
            for part in told.get("exception", "").split("\ncaused by:\n")
        ]
        if told["event"] in _ENDS:
            yield f"a role has ended: {'; '.join(causes)}"
        elif told["event"] in ("batch_faulty", "chore_failed") and any("asyncpg" in cause for cause in causes):
            yield f"the database refused it: {'; '.join(causes)}"


async def _is_consumed(load: Load) -> bool:
    try:
        await all_consumed(load.installation)
    except AssertionError:
        return False
    return True
