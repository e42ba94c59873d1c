"""What must hold once a fault is over: everything sent is answered and published once, and nothing is wrong."""

from tests.faults.load import Load
from tests.kafka import exactly_published, results
from tests.verification.auditing import findings_of


async def all_is_well(load: Load) -> None:
    """Wait until a running installation has come to the end of what was sent, and judge it."""
    found = await exactly_published(load.installation)
    assert await findings_of(load.installation) == []
    assert results(found)
