"""Questions about an organization's events: as pages, and as an endless stream."""

import json
from dataclasses import replace
from typing import Any

from starlette.types import ASGIApp

from db.questions.events import TOPICS, first_position
from db.questions.seen_events import seen_events
from schemas.message_types import type_of
from service import examples
from service.answers import Answer
from service.event_streams import EventStream
from service.organizations import ROOT
from service.parameters import LIMIT, Parameter, Refused, conflicting
from service.problems import Problem, Reason, Violation, wrong
from service.questions import Asked, Question
from service.snapshots import Snapshot, snapshot
from service.waits import EVENT_ID, OF_ALL, event_id

PAGES, STREAM = "application/cloudevents-batch+json", "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"


async def _events(asked: Asked) -> Answer | ASGIApp:
    return await (_stream(asked) if asked.media == STREAM else _page(asked))


async def _page(asked: Asked) -> Answer:
    after = asked.values.get(_AFTER.name)
    async with snapshot(asked.state, asked.organization) as (connection, found):
        found_events, reached = await seen_events(
            connection,
            asked.organization,
            asked.reach,
            after=await _position(asked, connection, found, after, _AFTER.name),
            until=found.position,
            limit=asked.limit,
            types=asked.values.get(_TYPE.name, TOPICS.keys()),
        )
    if len(found_events) < asked.limit:
        # The asker may see few events: the answer is as of the position up to which it has looked.
        found = replace(found, position=reached)
    return Answer(b"[" + b",".join(event.value for event in found_events) + b"]", found, media=PAGES)


async def _stream(asked: Asked) -> ASGIApp:
    field, after = _begin(asked)
    async with snapshot(asked.state, asked.organization) as (connection, found):
        position = await _position(asked, connection, found, after, field)
    types = frozenset(type_of(name) for name in asked.values.get(_TYPE.name, TOPICS.keys()))
    return EventStream(asked, found, position, types)


async def _position(asked: Asked, connection: Any, found: Snapshot, after: tuple[int, int] | None, field: str) -> int:
    """Return the position after which events are wanted. Raises Problem for one beyond the end, or no longer kept."""
    ranges = asked.state.ranges
    first = await first_position(connection, ranges.shards_of(asked.organization))
    if after is None:
        return first - 1
    if after[1] > found.position:
        raise wrong([Violation(Reason.OUT_OF_RANGE, f"The last event is {found.as_of}.", field)])
    if after[1] < first - 1:
        shard = ranges.shard_at(asked.organization, first)
        raise Problem("EventsExpired", f"Events are kept from {shard}-{first} on; ask after {shard}-{first - 1}.")
    return after[1]


def _begin(asked: Asked) -> tuple[str, tuple[int, int] | None]:
    """Return which field says where a stream begins, and its event: `Last-Event-ID` takes precedence over `after`."""
    said = asked.header(LAST_EVENT_ID.lower().encode())
    return (LAST_EVENT_ID, event_id(said)) if said else (_AFTER.name, asked.values.get(_AFTER.name))


def _check(asked: Asked) -> list[Violation]:
    violations = []
    if asked.media == STREAM:
        # Methods come before parameters, and before what is waited for.
        if asked.scope["method"] == "HEAD":
            raise Problem("MethodNotAllowed", "A stream has no end to tell of.", headers={"Allow": "GET"})
        if LIMIT.name in asked.values:
            violations.append(conflicting(LIMIT.name, "A stream has no limit."))
        try:
            field, after = _begin(asked)
        except Refused as error:
            return [*violations, Violation(error.reason, error.message, LAST_EVENT_ID)]
    else:
        field, after = _AFTER.name, asked.values.get(_AFTER.name)
    if after is not None and "organization" in asked.names and not asked.state.is_of(asked.organization, after):
        violations.append(Violation(Reason.OUT_OF_RANGE, "It is the id of an event of other organizations.", field))
    return violations


def _types(text: str) -> frozenset[str]:
    names = text.split(",")
    if not all(name in TOPICS for name in names):
        raise Refused(Reason.MALFORMED, f"It must be some of {', '.join(TOPICS)}, separated by commas.")
    return frozenset(names)


_AFTER = Parameter(
    "after",
    event_id,
    {"type": "string", "pattern": f"^{EVENT_ID}$"},
    "Only events after this one: the id of an event, or the `Whopays-As-Of` of an answer.",
    "17-4711",
)
_TYPE = Parameter(
    "type",
    _types,
    {"type": "string", "pattern": f"^({'|'.join(TOPICS)})(,({'|'.join(TOPICS)}))*$"},
    "Only events of these types, by their short names, separated by commas.",
    "BindingChanged,AccountPhaseChanged",
)

QUESTIONS = (
    Question(
        name="listEvents",
        path=f"{ROOT}/events",
        summary="Events of an organization",
        description=(
            "The organization's events by position, each as it was published. A page with fewer than `limit` events "
            "has all events up to `Whopays-As-Of`, which may be the next `after`. As `text/event-stream` the answer "
            "is a stream of events as they happen, each with its `id`; to resume, send the last one as `Last-Event-ID`."
        ),
        handler=_events,
        models={PAGES: list[dict[str, Any]]},
        examples={PAGES: [examples.EVENT], STREAM: f"id: 17-4711\ndata: {json.dumps(examples.EVENT)}\n\n"},
        tag="Events",
        parameters=(_AFTER, _TYPE, LIMIT, *OF_ALL),
        media=(PAGES, STREAM),
        check=_check,
        problems=("EventsExpired",),
    ),
)
