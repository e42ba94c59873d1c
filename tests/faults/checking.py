"""What must hold once a fault is over: everything sent is answered and published, once, and nothing is wrong."""

from tests.faults.judge import is_published, judged, unfinished
from tests.faults.load import Load
from tests.kafka import all_consumed, exactly_published
from tests.verification.auditing import findings_of
from tests.waiting import until

_PATIENCE_SECONDS = 120.0
_MOST_SHOWN = 20


async def all_is_well(load: Load) -> None:
    """Wait until a running installation has come to the end of what was sent, and judge it, by three judges."""
    await come_to_rest(load)
    await exactly_published(load.installation)
    wrong = [f"whopays verify: {finding}" for finding in await findings_of(load.installation)] + await judged(load)
    assert not wrong, f"{len(wrong)} findings, load of seed {load.seed}:\n" + "\n".join(wrong[:_MOST_SHOWN])


async def come_to_rest(load: Load) -> None:
    """Wait until all that was sent is decided and published.

    What is still to come by itself (bindings that wait, notices, profiles that run out) is waited for, too.
    """
    await until(lambda: _is_consumed(load), "the consumers", _PATIENCE_SECONDS)

    async def finished() -> bool:
        return not await unfinished(load)

    await until(finished, "what waits, is scheduled or runs out", _PATIENCE_SECONDS)
    await until(lambda: is_published(load), "the relay", _PATIENCE_SECONDS)


async def _is_consumed(load: Load) -> bool:
    try:
        await all_consumed(load.installation)
    except AssertionError:
        return False
    return True
