"""The `atLeast` of a lookup: events of several shards."""

from service.parameters import Parameter, Refused
from service.problems import Reason, Violation
from service.questions import Asked
from service.waits import EVENT_ID, event_id


def wrong_events(asked: Asked) -> list[Violation]:
    """Return a violation if an event in `atLeast` is of a nonexistent shard."""
    shards: dict[int, int] = asked.values.get(AT_LEAST.name, {})
    if all(shard < asked.state.settings.shard_numbers.stop for shard in shards):
        return []
    return [Violation(Reason.OUT_OF_RANGE, "It names an event of a nonexistent shard.", AT_LEAST.name)]


def _positions(text: str) -> dict[int, int]:
    """Parse the ids of events into positions by shard. Raises Refused."""
    places = [event_id(one) for one in text.split(",")]
    if len(dict(places)) < len(places):
        raise Refused(Reason.REPEATED, "It must be at most one event of a shard.")
    return dict(places)


AT_LEAST = Parameter(
    "atLeast",
    _positions,
    {"type": "string", "pattern": f"^{EVENT_ID}(,{EVENT_ID})*$"},
    "Ids of events that the answers must reflect, one per shard, separated by commas; the wait is up to 5 seconds.",
    "17-4711,23-42",
)
