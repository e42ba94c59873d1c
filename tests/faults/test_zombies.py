"""A process hangs at some place and others take over; when it carries on, it does no harm."""

import signal
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.faults import failpoints
from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.matrix import OFTEN, TOLD, broken, give_up_for_dead
from tests.faults.points import CONSUMERS, RELAY, TIMERS, Event, Row, rows
from tests.support.installations import Installation
from tests.support.kafka import send
from tests.support.messages import command
from tests.support.waiting import until
from workers.publishing.positions import BEGINNING, read_kept
from workers.runtime.roles import ALL_ROLES, Role

_RATE = 40
_DANGEROUS = (
    "transaction.Batches._transaction",
    "transaction.Batches._persist",
    "lanes.Lanes._",
    "subscription.",
    "relay.Relay._work",
    "relay.Relay._publish",
    "relay.Relay._read",
    "relay.Relay._transact",
    "producer.transact",
    "producer.producing: producer.start",
    "timers.Timers._work",
)
"""Places between which something is decided and carried out."""


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("roles", (CONSUMERS, TIMERS, RELAY), ids=("consumers", "timers", "relay"))
async def test_zombies(quiet_installation: Installation, roles: tuple[Role, ...]) -> None:
    await _haunted(quiet_installation, roles, [row for row in rows() if _is_dangerous(row) and row.roles == roles])


async def _haunted(installation: Installation, roles: tuple[Role, ...], chosen: list[Row]) -> None:
    await installation.start(*(role for role in ALL_ROLES if role not in roles))
    missed = []
    async with loaded(installation, rate=_RATE, huge_projects=TOLD) as load:
        for row in chosen:
            print(row, flush=True)
            zombie = await broken(installation, row, failpoints.STOP)
            if zombie is None:
                missed.append(str(row))
                continue
            await give_up_for_dead(installation, roles)
            successor = await installation.start(*roles, **OFTEN)
            await _gets_on(installation)
            zombie.process.send_signal(signal.SIGCONT)
            await _gets_on(installation)
            await zombie.kill()
            await successor.kill()
            await give_up_for_dead(installation, roles)
    await installation.start(*roles)
    await all_is_well(load)
    assert missed == []


def _is_dangerous(row: Row) -> bool:
    return row.circumstance.event is Event.NOTHING and row.point.startswith(_DANGEROUS)


async def _gets_on(installation: Installation) -> None:
    """Wait until a command that is sent now is answered and published."""
    name = f"marker-{uuid4().hex}"
    await send(installation, [command("SuspendAccount", name, "marker", account="none", reason="Administrative")])

    async def answered() -> bool:
        async with installation.engine.connect() as connection:
            asked = await connection.execute(
                text("SELECT shard, position FROM inbox WHERE command_id = :name"), {"name": name}
            )
            row = asked.one_or_none()
        if row is None:
            return False
        kept = await read_kept(installation.settings)
        return kept.positions.get(row[0], BEGINNING).position >= int(row[1])

    await until(answered, "the answer to a command", 90)
