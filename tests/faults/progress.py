"""Signs that an installation is making progress while something is, or was, broken."""

from tests.support.installations import Installation
from tests.support.kafka import published
from tests.support.waiting import until

_EVENTS = 20

SMALL = {"WHOPAYS_BATCH_MAX_RECORDS": "50", "WHOPAYS_RELAY_BATCH_ROWS": "100"}
"""Many small transactions, so that a fault finds one open."""


async def goes_on(installation: Installation) -> None:
    """Wait until more has been published than when it was called."""
    before = len(await published(installation))

    async def more() -> bool:
        return len(await published(installation)) >= before + _EVENTS

    await until(more, "more events", seconds=120)
