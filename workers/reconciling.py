"""Where the database and the topics disagree, and what brings them together again: one step after another.

Nothing is remembered between steps: whoever looks again after one finds what is left. So each step, and all of
them, may be interrupted and repeated.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.driver import Statement, fetch
from db.known_topics import known
from db.log import row_at
from db.published import forget_published, published_at_least
from db.reading_positions import forget_reading, reading_positions
from db.shards import Head, all_heads
from schemas.topics import INPUT_TOPICS, Topic
from workers.publishing.positions import BEGINNING, Position, read_kept
from workers.publishing.restoring import published_events, restore_positions
from workers.runtime.kafka import kafka_reading_options
from workers.runtime.settings import Settings
from workers.topics.admission import adopt, as_known, changed
from workers.topics.cluster import administration, describe
from workers.topics.plan import create_topics, topic_names

_COMPACTED = (Topic.BINDINGS, Topic.ACCOUNTS)
"""What these hold of a subject they hold for ever: where there is nothing, it was lost."""
_MOST_NAMED = 10


class Action(StrEnum):
    """What is to be done; `Decide` by whoever is responsible, since something is lost whatever is done."""

    CREATE = "CreateTopics"
    ADOPT = "AdoptTopics"
    REREAD = "Reread"
    PUBLISH_AGAIN = "PublishAgain"
    RESTORE_POSITIONS = "RestorePositions"
    DECIDE = "Decide"


@dataclass(frozen=True, slots=True)
class Step:
    """A step, why it is needed, and the command that does the same; of an input topic if it is about one.

    `beyond` are subjects of which events are published that the database does not know, as many as are named.
    """

    action: Action
    why: str
    command: str
    topic: str | None = None
    beyond: Sequence[str] = ()


async def next_steps(engine: AsyncEngine, settings: Settings, *, goes_on: bool = False) -> list[Step]:
    """Return what is to be done now; more may follow from it. Changes nothing, and may be asked while workers work.

    With `goes_on`, output topics that have lost everything are not filled again from the log.
    """
    if steps := await _of_topics(engine, settings):
        return steps
    if steps := await _of_input(engine, settings):
        return steps
    return await _of_output(engine, settings, goes_on=goes_on)


async def take(engine: AsyncEngine, settings: Settings, step: Step) -> None:
    """Do a step, while nothing works on the installation. Raises what its command raises."""
    match step.action:
        case Action.CREATE:
            await create_topics(settings)
        case Action.ADOPT:
            await adopt(engine, settings)
        case Action.REREAD:
            async with engine.begin() as connection:
                await forget_reading(connection, step.topic or "")
        case Action.PUBLISH_AGAIN:
            async with engine.begin() as connection:
                await forget_published(connection)
        case Action.RESTORE_POSITIONS:
            await restore_positions(engine, settings)
        case Action.DECIDE:
            raise ValueError("a decision is nothing that can be done")


async def _of_topics(engine: AsyncEngine, settings: Settings) -> list[Step]:
    async with administration(settings) as client:
        cluster = await describe(client, topic_names(settings))
    if missing := [name for name in topic_names(settings) if name not in cluster.topics]:
        return [Step(Action.CREATE, f"There is no topic {', '.join(missing)}.", "whopays topics create")]
    async with engine.connect() as connection:
        before = await known(connection)
    changes = list(changed(before, as_known(cluster, settings)))
    if not changes:
        return []
    words = f"The topics are not those of before: {'; '.join(changes)}. Input that is new is read from its beginning."
    return [Step(Action.ADOPT, words, "whopays topics adopt")]


async def _of_input(engine: AsyncEngine, settings: Settings) -> list[Step]:
    steps = []
    async with _reader(settings) as consumer:
        for topic in INPUT_TOPICS:
            name = settings.topic(topic)
            async with engine.connect() as connection:
                noted = await reading_positions(connection, name)
            ends = await consumer.end_offsets([TopicPartition(name, partition) for partition in noted])
            short = [one for one, end in ends.items() if end < noted[one.partition]]
            if short:
                first = min(short, key=lambda one: one.partition)
                words = (
                    f"{name}/{first.partition} ends at {ends[first]}, and was read up to {noted[first.partition]}: it "
                    "has lost records. Whatever is new there would not be read."
                )
                steps.append(Step(Action.REREAD, words, f"whopays topics reread {topic}", name))
    return steps


async def _of_output(engine: AsyncEngine, settings: Settings, *, goes_on: bool) -> list[Step]:
    # What is certain is read before what it is compared with, so that a relay that works meanwhile changes nothing.
    async with engine.connect() as connection:
        bounds = await published_at_least(connection)
    last: dict[int, int] = {}
    held = set()
    async for topic, _, shard, position in published_events(settings):
        last[shard] = max(position, last.get(shard, position))
        held.add(topic)
    positions = (await read_kept(settings)).positions
    async with engine.connect() as connection:
        heads = await all_heads(connection)
        ahead = {
            shard: max(last.get(shard, 0), positions.get(shard, BEGINNING).position)
            for shard in last.keys() | positions.keys()
        }
        if any(shard not in heads or heads[shard].position < reached for shard, reached in ahead.items()) or [
            shard for shard, at in positions.items() if await _differs(connection, shard, at)
        ]:
            return [await _gone_back(settings, heads, ahead)]
        said = {shard: max(bounds.get(shard, 0), ahead.get(shard, 0)) for shard in heads}
        was_said = {row["topic"] for row in await fetch(connection, _SAID, shards=list(said), ends=list(said.values()))}
    lost = [topic for topic in _COMPACTED if topic in was_said and topic not in held]
    begun = {shard: head.begins_after for shard, head in heads.items()}
    if lost and not goes_on and not positions and any(bounds[shard] > begun.get(shard, 0) for shard in bounds):
        return [_lost(settings, lost, held)]
    if lost and not goes_on and positions:
        return [_partly_lost(settings, lost)]
    behind = [
        shard
        for shard, reached in said.items()
        if reached > max(positions.get(shard, BEGINNING).position, begun[shard])
    ]
    if not behind:
        return []
    words = f"relay-positions does not know that {len(behind)} shards are published further: it lost records."
    return [Step(Action.RESTORE_POSITIONS, words, "whopays topics restore-positions")]


def _lost(settings: Settings, lost: Sequence[Topic], held: set[str]) -> Step:
    if held:
        return _partly_lost(settings, lost)
    return Step(
        Action.PUBLISH_AGAIN,
        "The output topics hold nothing of what was published. All of the log is published again, with the same ids: "
        "its readers start from nothing. To go on after it instead: --go-on",
        "whopays topics adopt --publish-again",
    )


def _partly_lost(settings: Settings, lost: Sequence[Topic]) -> Step:
    names = " and ".join(settings.topic(topic) for topic in lost)
    return Step(
        Action.DECIDE,
        f"{names} lost what was published, but others hold it, or relay-positions says that it is there. Either "
        "readers of what was lost do without it (--go-on), or all is published again: then delete the output topics, "
        "watermarks and relay-positions, and ask again.",
        'docs/operations.md, "Publishing everything again"',
    )


async def _gone_back(settings: Settings, heads: Mapping[int, Head], ahead: Mapping[int, int]) -> Step:
    """Return the decision that is left where readers know more than the database, with what they know more."""
    ends = {shard: head.position for shard, head in heads.items()}
    said: set[str] = set()
    count = 0
    async for topic, key, shard, position in published_events(settings):
        if position > ends.get(shard, 0):
            count += 1
            said.add(f"{topic} {'-' if key is None else key.decode(errors='replace')}")
    beyond = tuple(sorted(said))  # partitions are read in any order
    named = ", ".join(beyond[:_MOST_NAMED]) or "none that the topics still hold"
    return Step(
        Action.DECIDE,
        f"The database went back, or is another one: {sum(ahead[one] > ends.get(one, 0) for one in ahead)} of its "
        f"logs end before what is published, and {count} events are on the topics that it does not know, or knows "
        f"otherwise ({named}{' …' if len(beyond) > _MOST_NAMED else ''}). Restore the latest state there is. If that "
        "is gone for good, what readers were told is no longer true: all has to be published again, to new topics.",
        'docs/operations.md, "When the database is restored to an earlier state"',
        beyond=beyond,
    )


async def _differs(connection: AsyncConnection, shard: int, at: Position) -> bool:
    row = await row_at(connection, shard, at.position)
    return row is not None and row.hash != at.hash


@asynccontextmanager
async def _reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(**kafka_reading_options(settings))
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


_SAID = Statement(
    """
    SELECT topic FROM (VALUES ('bindings'), ('accounts')) AS compacted(topic) WHERE EXISTS (
        SELECT FROM unnest(CAST(:shards AS smallint[]), CAST(:ends AS bigint[])) AS said(shard, position)
        JOIN log ON log.shard = said.shard AND log.position <= said.position AND log.topic = compacted.topic
    )
    """
)
