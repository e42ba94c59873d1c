"""The checks of `whopays status` that query Kafka: whether the topics are right, and how far each role has read."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from cli.operating.standing import Section, Standing, Verdict
from cli.operating.waiting import Look, Waiting, looking
from cli.terminal.output import count_of
from db.known_topics import known
from schemas.topics import INPUT_TOPICS
from workers.runtime.settings import Settings
from workers.topics.admission import as_known, changed
from workers.topics.cluster import Cluster, describe
from workers.topics.plan import differences, topic_names

_LONGEST_LAG_SECONDS = 30.0


async def of_kafka(engine: AsyncEngine | None, settings: Settings) -> list[Standing]:
    """Return the checks of topics and consumers; only of topics without a database, which has the consumers' positions.

    Raises the errors of an unreachable Kafka.
    """
    async with looking(settings) as look:
        topics, waiting = await seen_of_kafka(look, engine)
    return [topics, *(of_consumer(one, settings) for one in waiting)]


async def seen_of_kafka(look: Look, engine: AsyncEngine | None) -> tuple[Standing, Sequence[Waiting]]:
    """Return the check of the topics, and the backlog of the input topics if both servers can be queried.

    Raises the errors of an unreachable Kafka or database.
    """
    cluster = await describe(look.admin, topic_names(look.settings))
    topics = await _topics(engine, cluster, look.settings)
    if engine is None or topics.verdict is Verdict.TROUBLE:
        return topics, ()
    return topics, [await look.waiting(engine, topic) for topic in INPUT_TOPICS]


async def _topics(engine: AsyncEngine | None, cluster: Cluster, settings: Settings) -> Standing:
    section = Section.REFUSES_TO_START
    wrong = differences(cluster, settings)
    if breaking := [one for one in wrong if one.breaks]:
        words = "; ".join(f"{one.topic}: {one.what} is {one.found}, not {one.wanted}" for one in breaking)
        return Standing(Verdict.TROUBLE, "topics", f"{words}.", "whopays topics check says what to do.", section)
    if engine is not None:
        async with engine.connect() as connection:
            before = await known(connection)
        if others := list(changed(before, as_known(cluster, settings))):
            words = f"They differ from those before: {'; '.join(others)}."
            return Standing(Verdict.TROUBLE, "topics", words, "Read this before anything.", Section.OTHER_TOPICS)
    if wrong:
        words = f"{count_of(len(wrong), 'setting')} not as whopays would choose."
        return Standing(Verdict.NOTE, "topics", words, "whopays topics check", section)
    return Standing(Verdict.WELL, "topics", "All are as they must be.", "", section)


def of_consumer(waiting: Waiting, settings: Settings) -> Standing:
    """Return the check of the role that reads a topic."""
    section, role = Section.RECORDS_WAIT, str(waiting.topic)
    words = f"{count_of(waiting.records, 'record')} to be read"
    words += f", the oldest {waiting.seconds:.0f} s old." if waiting.records else "."
    if not waiting.readers:
        words = f"No process reads {settings.topic(waiting.topic)}. {words}"
        return Standing(Verdict.TROUBLE, role, words, f"Start one: whopays run --only {role}", section)
    is_late = waiting.seconds > _LONGEST_LAG_SECONDS
    to_do = "See whether it is busy or hangs: its log, and whopays health on its host." if is_late else ""
    return Standing(Verdict.TROUBLE if is_late else Verdict.WELL, role, words, to_do, section)
