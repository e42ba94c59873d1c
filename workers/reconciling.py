"""Where the database and the topics disagree, and the steps that reconcile them.

Nothing is remembered between steps: the remaining ones are determined afresh. So each step, and the whole sequence, may
be interrupted and repeated.
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
"""These keep the last event of every subject for ever: if it is missing, it was lost."""
_MOST_NAMED = 10


class Action(StrEnum):
    """The action of a step; `Decide` is for an operator, since every way out loses something."""

    CREATE = "CreateTopics"
    ADOPT = "AdoptTopics"
    REREAD = "Reread"
    PUBLISH_AGAIN = "PublishAgain"
    RESTORE_POSITIONS = "RestorePositions"
    DECIDE = "Decide"


@dataclass(frozen=True, slots=True)
class Step:
    """A step, why it is needed, and the command that does the same; `topic` is the input topic it concerns, if any.

    `beyond` lists subjects with published events that the database does not know.
    """

    action: Action
    why: str
    command: str
    topic: str | None = None
    beyond: Sequence[str] = ()


async def next_steps(engine: AsyncEngine, settings: Settings, *, goes_on: bool = False) -> list[Step]:
    """Return the steps to take now; more may follow. Changes nothing, and is safe while workers run.

    With `goes_on`, output topics that have lost everything are not filled again from the log.
    """
    if steps := await _of_topics(engine, settings):
        return steps
    if steps := await _of_input(engine, settings):
        return steps
    return await _of_output(engine, settings, goes_on=goes_on)


async def take(engine: AsyncEngine, settings: Settings, step: Step) -> None:
    """Do a step, while no process of the installation runs. Raises what its command raises."""
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
            raise ValueError("a decision cannot be carried out")


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
    words = f"The topics have changed: {'; '.join(changes)}. New input topics are read from their beginning."
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
                    "has lost records. New records there would not be read."
                )
                steps.append(Step(Action.REREAD, words, f"whopays topics reread {topic}", name))
    return steps


async def _of_output(engine: AsyncEngine, settings: Settings, *, goes_on: bool) -> list[Step]:
    # The lower bounds are read before the positions that they are compared with, so a running relay does no harm.
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
        "The output topics hold none of the published events. The whole log is published again, with the same ids: "
        "its readers start from nothing. To go on after it instead: --go-on",
        "whopays topics adopt --publish-again",
    )


def _partly_lost(settings: Settings, lost: Sequence[Topic]) -> Step:
    names = " and ".join(settings.topic(topic) for topic in lost)
    return Step(
        Action.DECIDE,
        f"{names} lost published events, but other topics hold theirs, or relay-positions says that they were "
        "published. Either readers do without the lost events (--go-on), or everything is published again: for that, "
        "delete the output topics, watermarks and relay-positions, and ask again.",
        'docs/operations.md, "Publishing everything again"',
    )


async def _gone_back(settings: Settings, heads: Mapping[int, Head], ahead: Mapping[int, int]) -> Step:
    """Return the decision to make if readers have events that the database lacks, with the subjects of these."""
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
        f"logs end before what is published, and the topics have {count} events that it does not know, or knows "
        f"differently ({named}{' …' if len(beyond) > _MOST_NAMED else ''}). Restore the latest state there is. If that "
        "is lost, what readers were told is no longer true: everything must be published again, to new topics.",
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
