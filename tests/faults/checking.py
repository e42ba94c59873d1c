"""What must hold once a fault is over: what was sent is answered and published, once, and nothing is wrong."""

from sqlalchemy import text

from tests.faults.load import Load
from tests.installations import Installation
from tests.kafka import all_consumed, exactly_published, results
from tests.verification.auditing import findings_of
from tests.waiting import until

_DUE_SECONDS = 120


async def all_is_well(load: Load) -> None:
    """Wait until a running installation has come to the end of what was sent, and judge it."""
    await _nothing_is_due(load.installation)
    found = await exactly_published(load.installation)
    findings = await findings_of(load.installation)
    assert findings == [], "; ".join(map(str, findings))
    assert results(found)


async def _nothing_is_due(installation: Installation) -> None:
    """Wait until no binding waits and no notice is on its way: what is compared must not grow meanwhile."""
    await all_consumed(installation)

    async def look() -> bool:
        async with installation.engine.connect() as connection:
            found = await connection.execute(
                text("SELECT EXISTS (SELECT FROM pending_bindings) OR EXISTS (SELECT FROM fan_outs)")
            )
            return not found.scalar_one()

    await until(look, "what is due", _DUE_SECONDS)
