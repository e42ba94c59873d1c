"""Records that poison a batch, at every place in it: each becomes one dead letter, and all others take effect."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from schemas.facts import ProjectChanged
from schemas.parsing import read_fact
from schemas.records import Record
from schemas.topics import Topic
from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.recovering import flows, recovers
from tests.support.batches import batches, records
from tests.support.command_line import whopays_of
from tests.support.installations import Installation
from tests.support.kafka import Published, dead_letters, exactly_published, published, results, send, told_unpaid
from tests.support.messages import Said, account, bind, profile, project
from tests.support.waiting import until
from workers.runtime.roles import Role

_PLACES = 5
_reader = partial(read_fact, model=ProjectChanged, max_value_bytes=256 * 1024)
_FAULTY = "poison"
_REFUSED = f"ALTER TABLE projects ADD CONSTRAINT no_poison CHECK (project NOT LIKE '{_FAULTY}%')"
_POISON = {
    "undecodable": Said(Topic.PROJECTS, b"acme", b"\xff\xfe{"),
    "nothing at all": Said(Topic.PROJECTS, None, b""),
    "tombstone": Said(Topic.PROJECTS, b"acme", None),
    "deep": Said(Topic.PROJECTS, b"acme", b"[" * 100_000),
    "null header": Said(Topic.PROJECTS, b"acme", b"{}", (("ce_specversion", None), ("ce_id", None))),
    "undecodable header": Said(
        Topic.PROJECTS, b"acme", b"{}", (("ce_id", b"\xff"), ("", b""), ("content-type", b"\xff"))
    ),
    "faulty": project("acme", f"{_FAULTY}-NUMBER"),
}


@pytest.mark.parametrize("kind", list(_POISON))
async def test_poison_at_every_place_of_a_batch(kind: str, engine: AsyncEngine) -> None:
    """Try all subsets of places: first, middle, last, several, all, and none."""
    async with engine.begin() as connection:
        await connection.execute(text(_REFUSED))
    deciding = batches(engine)
    expected_dead, expected_good = [], set()
    with capture_logs():
        for turn, places in enumerate(product((True, False), repeat=_PLACES)):
            batch = _batch(kind, places, turn)
            await deciding.process(Role.PROJECTS, batch, _reader)
            # Read once more, as after a crash: that changes nothing.
            await deciding.process(Role.PROJECTS, batch, _reader)
            for record, is_poison in zip(batch, places, strict=True):
                if is_poison:
                    expected_dead.append(record.offset)
                else:
                    expected_good.add(f"p{record.offset}")
    async with engine.connect() as connection:
        dead = (await connection.execute(text('SELECT "offset" FROM dead_letters ORDER BY "offset"'))).scalars().all()
        good = set((await connection.execute(text("SELECT project FROM projects"))).scalars())
    assert dead == expected_dead
    assert good == expected_good


async def test_a_fault_is_mended_under_load_and_redriven(quiet_installation: Installation) -> None:
    installation = quiet_installation
    whopays = whopays_of(installation)
    async with installation.engine.begin() as connection:
        await connection.execute(text(_REFUSED))
    await installation.start()
    async with loaded(installation) as load:
        await flows(load)
        async with recovers(load, "a record with a fault, mended and redriven"):
            said = [profile("umbrella"), account("umbrella", "main"), project("umbrella", _FAULTY)]
            await send(installation, [*said, bind("umbrella", _FAULTY, "main", "too-early")])
            found = await until(partial(_told_of_fault, installation), "the dead letter and the refusal")
            (letter,) = _of_faults(found)
            load.made_faulty.add(f"{Topic.PROJECTS}/{letter['partition']}/{letter['offset']}")
            assert results(found)["too-early"]["violations"][0]["reason"] == "ProjectNotFound"
            async with installation.engine.begin() as connection:
                await connection.execute(text("ALTER TABLE projects DROP CONSTRAINT no_poison"))
            redriving = ("dead-letters", "redrive", "--reason", "HandlerFault", "--json")
            (redriven,) = (await whopays(*redriving)).expect(0).document["redriven"]
            assert (await whopays(*redriving)).expect(0).document["redriven"] == []
            # By its number it can be redriven again, without a second effect.
            (await whopays("dead-letters", "redrive", str(redriven["number"]))).expect(0)
            await send(installation, [bind("umbrella", _FAULTY, "main", "in-time")])
    await all_is_well(load)
    found = await exactly_published(installation)
    assert results(found)["in-time"]["outcome"] == "Applied"
    assert _FAULTY in told_unpaid(found)
    assert len(_of_faults(found)) == 1


async def _told_of_fault(installation: Installation) -> list[Published] | None:
    found = await published(installation)
    return found if _of_faults(found) and "too-early" in results(found) else None


def _of_faults(found: Sequence[Published]) -> list[dict[str, Any]]:
    return [letter for letter in dead_letters(found) if letter["reason"] == "HandlerFault"]


def _batch(kind: str, places: Sequence[bool], turn: int) -> list[Record]:
    offset = turn * _PLACES
    said = [
        _numbered(_POISON[kind], offset + place) if is_poison else project("acme", f"p{offset + place}")
        for place, is_poison in enumerate(places)
    ]
    return records(*said, offset=offset)


def _numbered(said: Said, offset: int) -> Said:
    return replace(said, value=said.value and said.value.replace(b"NUMBER", str(offset).encode()))
