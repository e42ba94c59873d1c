"""`whopays dead-letters list` and `discard` where there are many: pages, what was done before, and what is asked."""

from datetime import UTC, datetime

from sqlalchemy import text

from domain.dead_letters import Dead
from schemas.records import DeadLetterReason, Record
from tests.services.db.acting import begun, confirmed
from tests.support.command_line import whopays_of
from tests.support.installations import Installation
from tests.support.letters import keep_letters

_NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
_NAMED = 20
"""How many of those that were done before are named."""


async def test_many_are_listed_and_discarded(quiet_installation: Installation) -> None:
    first, *between, redriven, last = await _keep(quiet_installation, _NAMED + 3)
    whopays = whopays_of(quiet_installation)
    page = (await whopays("dead-letters", "list", "--limit", "2")).expect(0)
    assert page.out.splitlines()[-1] == f"The next page: --before {redriven}"
    page = (await whopays("dead-letters", "list", "--limit", "2", "--json")).expect(0)
    assert [one["number"] for one in page.document] == [last, redriven]
    assert page.err == f"The next page: --before {redriven}\n"
    whole = (await whopays("dead-letters", "list", "--limit", "2", "--numbers", f"{redriven}-{last}")).expect(0)
    assert "next page" not in whole.out + whole.err

    await confirmed(quiet_installation.engine, (await begun(quiet_installation.engine, redriven))[redriven])
    every = ("dead-letters", "discard", f"{first}-{between[-1]}", "--reason", "old")
    done = (await whopays(*every)).expect(0)
    assert done.out == f"{_NAMED + 1} dead letters are discarded.\n"
    again = (await whopays(*every)).expect(0).out.splitlines()
    assert len(again) == _NAMED + 1
    assert again[0].startswith(f"Dead letter {first} was discarded already, at 2")
    assert again[-1] == "The same holds for 1 other dead letter."
    beside = ("dead-letters", "discard", f"{between[0]}-{between[-2]}", str(redriven), "--reason", "old")
    lines = (await whopays(*beside)).expect(0).out.splitlines()
    assert len(lines) == _NAMED
    assert lines[-1].startswith(f"Dead letter {redriven} was redriven already, at 2")
    left = (await whopays(*beside, "--json")).expect(0).document
    assert left == {"discarded": [], "left": [*between[:-1], redriven]}
    nothing = (await whopays("dead-letters", "discard", "--where-reason", "Tombstone", "--reason", "old")).expect(0)
    assert nothing.out == "There is nothing to discard.\n"

    erase = ("dead-letters", "discard", str(last), "--reason", "personal", "--erase")
    for answer in ("n\n", ""):
        refused = (await whopays(*erase, given=answer)).expect(1)
        assert "Erase 1 record? Nobody will ever be able to read or redrive them again." in refused.err
    assert await _whole(quiet_installation) == _NAMED + 3
    assert (await whopays(*erase, given="y\n")).expect(0).out.endswith("1 dead letter is discarded.\n")
    assert await _whole(quiet_installation) == _NAMED + 2


async def _keep(installation: Installation, number: int) -> list[int]:
    """Keep so many dead letters; return their numbers."""
    letters = [
        Dead(Record("t", 0, at, _NOW, b"acme", (), b"{}"), DeadLetterReason.INVALID_FACT, "broken", False, "acme")
        for at in range(number)
    ]
    async with installation.engine.begin() as connection:
        await keep_letters(connection, letters, _NOW, installation.keys)
        return list((await connection.execute(text("SELECT number FROM dead_letters ORDER BY number"))).scalars())


async def _whole(installation: Installation) -> int:
    async with installation.engine.connect() as connection:
        whole = text("SELECT count(*) FROM dead_letters WHERE value IS NOT NULL")
        return int((await connection.execute(whole)).scalar_one())
