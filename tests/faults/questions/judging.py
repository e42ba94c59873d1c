"""The judge of answers: what they say of themselves and of payers must follow from the log, at every moment.

Each rule is one function, whose name says what must hold and starts its findings. None shares code with the service.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from tests.faults.questions.noted import Answer, Noted, Stream, place_of
from tests.faults.questions.published import Published

_KNOWN = (200, 304, 404)
_ALLOWED = (*_KNOWN, 503)


def nothing_odd_is_answered(noted: Noted, _: Published) -> Iterator[str]:
    """Whatever breaks, what is answered is one of a few statuses."""
    yield from noted.odd
    for one in _answers(noted):
        if one.status not in _ALLOWED:
            yield f"{one.path} {one.wanted}: {one.status} {str(one.document)[:300]}"


def what_is_known_never_falls(noted: Noted, _: Published) -> Iterator[str]:
    """For one who asks, `Whopays-As-Of` never goes back, nor `Whopays-Closed-Until` where the server is the same."""
    for answers in noted.answers:
        told = [one for one in answers if one.as_of is not None]
        for organization in {one.organization for one in told}:
            for before, after in pairwise(one for one in told if one.organization == organization):
                assert before.as_of is not None
                assert after.as_of is not None
                if after.as_of < before.as_of:
                    yield f"{organization}: as of {after.as_of} after {before.as_of}"
                if before.server == after.server and (after.closed or "") < (before.closed or ""):
                    yield f"{organization}: closed until {after.closed} after {before.closed}"


def an_answer_is_one_snapshot(noted: Noted, log: Published) -> Iterator[str]:
    """Who pays is what the log says up to `Whopays-As-Of`: neither what was before, nor what came after."""
    for one in _answers(noted):
        at = one.wanted.get("at")
        for document in _payers_told(one):
            assert one.as_of is not None
            due = log.payer(one.organization, document["project"], one.as_of[1], at)
            said = _payer(document)
            if said != due or document.get("at", at) != (at or document.get("at")):
                yield f"{one.path} {one.wanted}: {one.status} says {document} as of {one.as_of}, {due} is due"


def what_is_settled_never_changes(noted: Noted, log: Published) -> Iterator[str]:
    """Who paid at an instant that was closed is the same in every answer, and in the end."""
    for one in _answers(noted):
        for document in _payers_told(one):
            if not document.get("settled"):
                continue
            project, at = document["project"], document["at"]
            due, said = log.payer(one.organization, project, 2**63, at), _payer(document)
            if _without_end(said) != _without_end(due):
                yield f"{one.organization}/{project} at {at}: {said} was settled, {due} it is in the end"


def closed_is_what_nothing_follows_into(noted: Noted, log: Published) -> Iterator[str]:
    """No event that an answer does not know is of an instant that it calls closed."""
    for one in _answers(noted):
        if one.as_of is not None and one.closed is not None:
            late = [event for event in log.events(one.organization, one.as_of[1]) if event.time <= one.closed]
            if late:
                yield f"{one.path}: closed until {one.closed} as of {one.as_of}, but {late[0].document['id']} follows"


def what_is_waited_for_is_known(noted: Noted, _: Published) -> Iterator[str]:
    """An answer knows the event that it was to wait for, and has closed the instant."""
    for one in _answers(noted):
        if one.status not in _KNOWN:
            continue
        if (event := one.wanted.get("atLeast")) and (one.as_of is None or one.as_of < place_of(event)):
            yield f"{one.path}: as of {one.as_of}, but {event} was to be waited for"
        if (instant := one.wanted.get("closedAtLeast")) and (one.closed or "") < instant:
            yield f"{one.path}: closed until {one.closed}, but {instant} was to be waited for"


def pages_of_events_are_whole(noted: Noted, log: Published) -> Iterator[str]:
    """A page holds each event past `after` as published, up to its limit or `Whopays-As-Of`."""
    for one in _answers(noted):
        if one.status in (200, 304) and one.path.endswith("/events") and one.document is not None:
            assert one.as_of is not None
            after = place_of(one.wanted["after"])[1]
            due = [event.document for event in log.events(one.organization, after, one.as_of[1])]
            if one.document != due[: int(one.wanted["limit"])]:
                yield f"{one.path} {one.wanted}: {_ids(one.document)} as of {one.as_of}, due is {_ids(due)}"


def streams_tell_each_event_once(noted: Noted, log: Published) -> Iterator[str]:
    """Over all its connections, a stream gives every event once, in order, as published."""
    for stream in noted.streams:
        due = due_events(stream, log, place_of(stream.last)[1])
        if stream.events != due:
            yield f"{stream.organization}: {_difference(stream, due)}"


def pages_leave_nothing_out(noted: Noted, log: Published) -> Iterator[str]:
    """Pages name, in order, what was there all the time, and nothing that never was."""
    for one in noted.listings:
        steps = log.steps(one.organization, one.first[1], one.last[1])
        held: list[set[str]] = [
            {name for name in log.projects(one.organization) if _pays(log, one.organization, name, step, one.account)}
            for step in steps
        ]
        if one.names != sorted(set(one.names)):
            yield f"{one.organization}: {one.account} pays for {one.names}, which is no order"
        if missing := set.intersection(*held) - set(one.names):
            yield f"{one.organization}: {one.account} pays for {sorted(missing)}, which no page named"
        if never := set(one.names) - {name for names in held for name in names}:
            yield f"{one.organization}: {one.account} never paid for {sorted(never)}"


RULES: tuple[Callable[[Noted, Published], Iterator[str]], ...] = (
    nothing_odd_is_answered,
    what_is_known_never_falls,
    an_answer_is_one_snapshot,
    what_is_settled_never_changes,
    closed_is_what_nothing_follows_into,
    what_is_waited_for_is_known,
    pages_of_events_are_whole,
    streams_tell_each_event_once,
    pages_leave_nothing_out,
)


def judged(noted: Noted, log: Published) -> list[str]:
    """Return in words what is wrong."""
    return [f"{rule.__name__.replace('_', ' ')}: {finding}" for rule in RULES for finding in rule(noted, log)]


def due_events(stream: Stream, log: Published, until: int = 2**63) -> list[tuple[str, bytes]]:
    """Return what a stream has to tell up to a position."""
    return [(str(one.document["id"]), one.value) for one in log.events(stream.organization, stream.after[1], until)]


def _answers(noted: Noted) -> Iterator[Answer]:
    for answers in noted.answers:
        yield from answers


def _payers_told(one: Answer) -> Iterator[Any]:
    """Yield what an answer says of projects, each with its payer."""
    if one.status in (200, 304) and one.document is not None:
        if "/projects/" in one.path:
            yield one.document
        elif one.path.endswith("/projects"):
            yield from one.document["items"]


def _payer(document: Any) -> dict[str, Any] | None:
    payer = document["payer"]
    return payer and {name: payer[name] for name in ("bindingId", "account", "establishedAt", "endedAt")}


def _without_end(payer: dict[str, Any] | None) -> dict[str, Any] | None:
    return payer and {name: value for name, value in payer.items() if name != "endedAt"}


def _pays(log: Published, organization: str, project: str, position: int, account: str) -> bool:
    payer = log.payer(organization, project, position, None)
    return payer is not None and payer["account"] == account


def _ids(events: list[Any]) -> list[str]:
    return [str(one["id"]) for one in events]


def _difference(stream: Stream, due: list[tuple[str, bytes]]) -> str:
    place = next((n for n, (one, other) in enumerate(zip(stream.events, due, strict=False)) if one != other), None)
    if place is None:
        return f"{len(stream.events)} events, {len(due)} are due"
    return f"{stream.events[place][0]} as event {place}, {due[place][0]} is due"
