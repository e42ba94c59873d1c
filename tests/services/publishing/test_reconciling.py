"""What `whopays reconcile` finds to do, by what the topics hold and what the database knows: asked of real ones."""

import json
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from sqlalchemy import text

from db.reading_positions import read_at_least
from schemas.topics import Topic
from tests.support.installations import Installation
from workers.publishing.positions import Position, render_position
from workers.reconciling import Action, Step, _of_input, _of_output, take
from workers.runtime.kafka import kafka_options

_ROWS = ((3, 1, "notices"), (3, 2, "bindings"), (3, 3, "notices"), (3, 4, "accounts"), (7, 10, "notices"))
_ROW = text("INSERT INTO log VALUES (:shard, :position, now(), :topic, NULL, '', CAST(:hash AS bytea))")
_HEAD = text("UPDATE shards SET position = :position, begins_after = :after, hash = :hash WHERE shard = :shard")
_BOUND = text("INSERT INTO published (shard, position) VALUES (:shard, :position)")


class _Place:
    """An installation whose log has four rows in shard 3, and one in shard 7, which began after position 9."""

    def __init__(self, installation: Installation, producer: AIOKafkaProducer) -> None:
        self.installation = installation
        self._producer = producer

    async def ends(self, *, shard_3: int, bounds: Mapping[int, int]) -> None:
        """Have the database say where shard 3 ends, and up to where shards are published."""
        async with self.installation.engine.begin() as connection:
            for shard, position, after in ((3, shard_3, 0), (7, 10, 9)):
                values = {"shard": shard, "position": position, "after": after, "hash": _hash(position)}
                await connection.execute(_HEAD, values)
            await connection.execute(text("DELETE FROM published"))
            for shard, position in bounds.items():
                await connection.execute(_BOUND, {"shard": shard, "position": position})

    async def tell(self, topic: Topic, key: str | None, place: str) -> None:
        """Put an event on an output topic."""
        settings = self.installation.settings
        event = {"id": place, "source": settings.source}
        name, value = settings.topic(topic), json.dumps(event).encode()
        await self._producer.send_and_wait(name, value, key=None if key is None else key.encode())

    async def reach(self, shard: int, position: int, hash_: bytes) -> None:
        """Have `relay-positions` say up to where a shard is published."""
        key, value = render_position(shard, Position(position, hash_))
        name = self.installation.settings.topic(Topic.RELAY_POSITIONS)
        await self._producer.send_and_wait(name, value, key=key, partition=0)

    async def step(self, *, goes_on: bool = False) -> Step | None:
        """Return what is to be done about the output topics."""
        found = await _of_output(self.installation.engine, self.installation.settings, goes_on=goes_on)
        assert len(found) <= 1
        return found[0] if found else None

    async def action(self, *, goes_on: bool = False) -> Action | None:
        """Return what kind of step that is."""
        step = await self.step(goes_on=goes_on)
        return None if step is None else step.action


def _hash(position: int) -> bytes:
    return b"hash of %d" % position


@pytest_asyncio.fixture
async def place(quiet_installation: Installation) -> AsyncIterator[_Place]:
    """An installation of which nothing is published yet."""
    async with quiet_installation.engine.begin() as connection:
        for shard, position, topic in _ROWS:
            values = {"shard": shard, "position": position, "topic": topic, "hash": _hash(position)}
            await connection.execute(_ROW, values)
    producer = AIOKafkaProducer(**kafka_options(quiet_installation.settings))
    try:
        await producer.start()
        yield _Place(quiet_installation, producer)
    finally:
        await producer.stop()


async def test_what_is_lost_and_what_is_left_of_it(place: _Place) -> None:
    await place.ends(shard_3=4, bounds={})
    assert await place.step() is None, "nothing was published"
    await place.ends(shard_3=4, bounds={3: 4, 7: 9})
    assert await place.action() is Action.PUBLISH_AGAIN
    behind = await place.step(goes_on=True)
    assert behind is not None
    assert (behind.action, "that 1 shards are published" in behind.why) == (Action.RESTORE_POSITIONS, True)

    await place.tell(Topic.NOTICES, "acme/web", "3-3")
    partly = await place.step()
    assert partly is not None
    prefix = place.installation.prefix
    assert partly.action is Action.DECIDE
    assert partly.why.startswith(f"{prefix}bindings and {prefix}accounts lost published events, but other topics hold")
    assert await place.action(goes_on=True) is Action.RESTORE_POSITIONS
    await place.ends(shard_3=4, bounds={7: 9})
    assert await place.action() is Action.RESTORE_POSITIONS, "that a shard is published to where it begins says nothing"

    for topic, key, at in (("bindings", "acme/web", "3-2"), ("accounts", "acme/main", "3-4")):
        await place.tell(Topic(topic), key, at)
    await place.reach(3, 4, _hash(4))
    assert await place.step() is None
    await place.tell(Topic.NOTICES, None, "7-10")
    assert await place.action() is Action.RESTORE_POSITIONS
    await place.reach(7, 10, _hash(10))
    assert await place.step() is None
    with pytest.raises(ValueError, match="a decision cannot be carried out"):
        await take(place.installation.engine, place.installation.settings, partly)


async def test_what_readers_know_and_the_database_does_not(place: _Place) -> None:
    # The last one of a shard first: its partition is not read in the order of positions.
    for topic, key, at in (
        ("accounts", "acme/main", "3-4"), ("notices", "acme/web", "3-3"), ("bindings", "acme/web", "3-2"),
        ("notices", "acme/web", "7-10"),
    ):  # fmt: skip
        await place.tell(Topic(topic), key, at)
    await place.ends(shard_3=3, bounds={})
    assert await _beyond(place, 1, 1, "accounts acme/main") == ("accounts acme/main",)
    await place.ends(shard_3=4, bounds={})
    await place.reach(3, 4, b"another log")
    assert await _beyond(place, 0, 0, "none that the topics still hold") == ()
    await place.reach(3, 4, _hash(4))
    await place.reach(7, 10, _hash(10))
    assert await place.step() is None

    await place.tell(Topic.DEAD_LETTERS, None, "99-1")
    assert await _beyond(place, 1, 1, "dead-letters -") == ("dead-letters -",)
    names = ["dead-letters -", *(f"notices {name}" for name in "abcdefghi")]
    for position, name in enumerate("abcdefghi", start=2):
        await place.tell(Topic.NOTICES, name, f"99-{position}")
    assert await _beyond(place, 1, 10, ", ".join(names)) == tuple(names)
    await place.tell(Topic.NOTICES, "j", "99-11")
    assert await _beyond(place, 1, 11, f"{', '.join(names)} …") == (*names, "notices j")


async def _beyond(place: _Place, logs: int, events: int, named: str) -> tuple[str, ...]:
    """Return what the database does not know, after a look that this is said."""
    step = await place.step()
    assert step is not None
    assert step.action is Action.DECIDE
    assert f"another one: {logs} of its logs end before" in step.why
    assert f"the topics have {events} events that it does not know" in step.why
    assert f"({named})" in step.why
    return tuple(step.beyond)


async def test_the_first_partition_that_has_lost_records_is_named(quiet_installation: Installation) -> None:
    name = quiet_installation.settings.topic(Topic.PROJECTS)
    async with quiet_installation.engine.begin() as connection:
        await read_at_least(connection, name, {0: 0, 1: 5, 2: 7})
    assert await _of_input(quiet_installation.engine, quiet_installation.settings) == [
        Step(
            Action.REREAD,
            f"{name}/1 ends at 0, and was read up to 5: it has lost records. New records there would not be read.",
            "whopays topics reread projects",
            name,
        )
    ]
