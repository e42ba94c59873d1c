"""Events as whopays publishes them, for those that publish as many bytes without deciding anything."""

from dataclasses import dataclass

from benchmarks.installations import connect
from schemas.outgoing import headers_of
from schemas.topics import Topic
from workers.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Sample:
    """The last event of a topic; `topic`, with its prefix, is where it is to be published again.

    Its key was the organization and `key_end`.
    """

    topic: str
    key_end: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


async def samples_of_a_rebinding(settings: Settings, bindings: str, results: str) -> list[Sample]:
    """Return the two events that follow from a rebinding, for topics named without prefix."""
    connection = await connect(settings.database_url)
    try:
        samples = []
        for name, topic in ((bindings, Topic.BINDINGS), (results, Topic.COMMAND_RESULTS)):
            row = await connection.fetchrow(
                "SELECT key, value FROM log WHERE topic = $1 ORDER BY recorded_at DESC LIMIT 1", topic
            )
            assert row is not None
            _, slash, project = row["key"].partition(b"/")
            samples.append(Sample(settings.topic(name), slash + project, row["value"], headers_of(row["value"])))
        return samples
    finally:
        await connection.close()
