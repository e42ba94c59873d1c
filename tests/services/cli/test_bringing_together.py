"""`whopays reconcile`, `reshard`, and `topics adopt`, `reread` and `restore-positions`: what they say, and refuse."""

from aiokafka import AIOKafkaConsumer
from sqlalchemy import text

from db.leases import take_lease
from db.reading_positions import read_at_least
from schemas.topics import Topic
from tests.support.command_line import whopays_of
from tests.support.installations import Installation
from workers.consuming.subscription import consumer_group
from workers.runtime.kafka import kafka_options
from workers.runtime.roles import Role

_AGREE = "The database and the topics agree. whopays verify compares every event.\n"
_CHANGING = (
    ("reshard", "7", "--yes"), ("reconcile",), ("topics", "restore-positions"), ("topics", "adopt", "--publish-again")
)  # fmt: skip


async def test_topics_and_database_are_brought_together(quiet_installation: Installation) -> None:
    whopays, engine = whopays_of(quiet_installation), quiet_installation.engine
    name = quiet_installation.settings.topic(Topic.PROJECTS)
    assert (await whopays("topics", "adopt")).expect(0).out == "The topics have not changed.\n"
    assert (await whopays("topics", "adopt", "--json")).document == {"changes": [], "publishAgain": False}
    for words in _CHANGING:
        for wrong in ({"WHOPAYS_INSTALLATION": "another"}, {"WHOPAYS_TOPIC_PREFIX": "another."}):
            if "adopt" not in words or "WHOPAYS_INSTALLATION" in wrong:
                assert "Correct" in (await whopays(*words, **wrong)).expect(_refused(words)).err, (words, wrong)
    async with engine.begin() as connection:
        await read_at_least(connection, name, {0: 0, 1: 5})
        await take_lease(connection, 1, 0, "relay-1", 60.0)
    planned = (await whopays("reconcile")).expect(1).out.splitlines()
    assert planned[0].startswith(f"{name}/1 ends at 0, and was read up to 5: ")
    assert planned[1:] == [
        "  To do: whopays topics reread projects",
        "Stop everything, then: whopays reconcile --apply. More may follow from what is done.",
    ]
    assert "A relay works (relay-1)" in (await whopays("reconcile", "--apply")).expect(2).err
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM relay_leases"))
    done = (await whopays("reconcile", "--apply")).expect(0).out
    assert done == f"{planned[0]}\n  Done, as by: whopays topics reread projects\n{_AGREE}"
    async with engine.begin() as connection:
        await read_at_least(connection, name, {0: 0, 1: 5})
    forgot = (await whopays("topics", "reread", "projects", "--yes")).expect(0)
    assert forgot.out == f"Forgot how far {name} was read, in 2 partitions. Restart the workers.\n"

    async with engine.begin() as connection:
        await connection.execute(text("UPDATE shards SET position = 4, hash = 'h' WHERE shard = 3"))
        await connection.execute(text("INSERT INTO published (shard, position) VALUES (3, 9)"))
    for words, said in (
        (("topics", "restore-positions"), "The positions were left as they are: the log of shard 3 ends at 4, but 9"),
        (("reconcile", "--apply"), "the log of shard 3 ends at 4, but 9 is published"),
    ):
        assert said in " ".join((await whopays(*words)).expect(_refused(words)).err.split())
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE published SET position = 4"))
    restored = (await whopays("topics", "restore-positions")).expect(0)
    assert restored.out == "Shard 3 is published up to 4; its position was 0.\n"
    assert (await whopays("topics", "restore-positions")).expect(0).out == "No position is behind what is published.\n"
    again = (await whopays("topics", "adopt", "--publish-again")).expect(0).out.splitlines()
    assert again == [
        "The topics have not changed.",
        "The relay publishes from where relay-positions says, and from the beginning where it is empty.",
    ]


async def test_another_number_of_shards(quiet_installation: Installation) -> None:
    whopays, settings = whopays_of(quiet_installation), quiet_installation.settings
    consumer = AIOKafkaConsumer(
        settings.topic(Topic.PROJECTS), **kafka_options(settings), group_id=consumer_group(settings, Role.PROJECTS)
    )
    try:
        await consumer.start()
        assert "plays the role projects" in (await whopays("reshard", "7", "--yes")).expect(1).err
    finally:
        await consumer.stop()
    told = [
        "Set for every process: WHOPAYS_SHARDS=7 WHOPAYS_FIRST_SHARD=48",
        f"Their logs begin after: {' '.join(f'{shard}-0' for shard in range(48, 55))}",
    ]
    for before in (" (48 before)", " already"):
        done = (await whopays("reshard", "7", "--yes")).expect(0)
        assert done.out.splitlines() == [f"There are 7 shards{before}: 48 to 54.", *told]
    again = (await whopays("reshard", "7", "--yes", "--json")).expect(0).document
    assert again == {"isNew": False, "shards": 7, "firstShard": 48, "beginsAfter": 0}
    assert "WHOPAYS_SHARDS says 48" in " ".join((await whopays("reshard", "5", "--yes")).expect(1).err.split())


def _refused(words: tuple[str, ...]) -> int:
    """Return the status of a command that is refused: one that checks tells that from what it finds."""
    return 2 if "reconcile" in words else 1
