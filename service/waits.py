"""Waits until an event is visible, or an instant is closed: `atLeast` and `closedAtLeast`."""

import re
from datetime import datetime

from service.parameters import Parameter, Refused, instant
from service.problems import Problem, Reason, Violation
from service.questions import Asked
from service.snapshots import Snapshot, snapshot

WAIT_SECONDS = 5.0
"""The longest time that a question waits in total."""
_LARGEST_POSITION = 2**63 - 1
EVENT_ID = r"(0|[1-9][0-9]{0,4})-(0|[1-9][0-9]{0,18})"
"""The pattern of an event's id: its shard and position."""


def event_id(text: str) -> tuple[int, int]:
    """Parse an event's id into its shard and position. Raises Refused."""
    found = re.fullmatch(EVENT_ID, text)
    if found is None or int(found[2]) > _LARGEST_POSITION:
        raise Refused(Reason.MALFORMED, "It must be the id of an event, such as 17-4711.")
    return int(found[1]), int(found[2])


AT_LEAST = Parameter(
    "atLeast",
    event_id,
    {"type": "string", "pattern": f"^{EVENT_ID}$"},
    "The id of an event that the answer must reflect; the service waits up to 5 seconds for it.",
    "17-4711",
)
CLOSED_AT_LEAST = instant(
    "closedAtLeast", "An instant that must be closed; the service waits up to 5 seconds in all.", "2026-12-01T00:00:00Z"
)
OF_ALL = (AT_LEAST, CLOSED_AT_LEAST)
"""Parameters of every question about an organization."""


def wrong_waits(asked: Asked) -> list[Violation]:
    """Return a violation if `atLeast` names an event of another organization's shard."""
    found = asked.values.get(AT_LEAST.name)
    if found is None or "organization" not in asked.names or asked.state.is_of(asked.organization, found):
        return []
    return [Violation(Reason.OUT_OF_RANGE, "It is the id of an event of other organizations.", AT_LEAST.name)]


async def wait_until_known(asked: Asked) -> None:
    """Wait for what `atLeast` and `closedAtLeast` demand. Raises Problem `NotYetKnown`."""
    event, closed = asked.values.get(AT_LEAST.name), asked.values.get(CLOSED_AT_LEAST.name)
    if event is None and closed is None:
        return
    shard, position = asked.state.shard_of(asked.organization), 0 if event is None else event[1]
    if _knows(await _seen(asked), position, closed):
        return
    closes = {} if closed is None else {shard: closed}
    await asked.state.waking.until_known({shard: position}, closes, WAIT_SECONDS)
    if not _knows(found := await _seen(asked), position, closed):
        problem = not_yet_known()
        problem.snapshot = found
        raise problem


def not_yet_known() -> Problem:
    """Return the problem for an answer that would be older than `atLeast` or `closedAtLeast` demands."""
    return Problem("NotYetKnown", "The requested event or instant is not reached yet.", headers={"Retry-After": "1"})


async def _seen(asked: Asked) -> Snapshot:
    async with snapshot(asked.state, asked.organization) as (_, found):
        return found


def _knows(found: Snapshot, position: int, closed: datetime | None) -> bool:
    return found.position >= position and (closed is None or (found.closed is not None and found.closed >= closed))
