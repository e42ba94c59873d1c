"""A story goes on in time: it is cut into chapters and those into batches; what is due by then comes in between."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain.dead_letters import Dead
from domain.messages import DueKind, Message
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.outgoing import Outgoing
from schemas.policy import OperatorPolicy
from schemas.records import DeadLetterReason
from tests.unit.domain.building import NOON
from tests.unit.domain.kept import Kept
from tests.unit.domain.stories import Said
from tests.unit.schemas.building import command, fact, record, structured

POLICY = OperatorPolicy()
EACH = set(range(60))
"""Cuts after which every message is a batch of its own."""


def kept_of(story: list[Said], cuts: set[int]) -> Kept:
    """Tell a story in batches, and give what is kept at its end."""
    kept = Kept()
    for now, said in chapters(story):
        act(kept, now, cuts)
        for batch in batches(said, cuts):
            kept.batch(batch, now, POLICY)
    return kept


def chapters(story: list[Said]) -> list[tuple[datetime, list[Message]]]:
    """Cut a story where time passes: each chapter's instant, and what is said then."""
    now = NOON
    told: list[tuple[datetime, list[Message]]] = [(now, [])]
    for number, said in enumerate(story):
        if said[0] == "Later":
            now += timedelta(seconds=said[1]["seconds"])
            told.append((now, []))
        else:
            told[-1][1].append(_read(number, said))
    return [*told, (now + timedelta(hours=2), [])]


def act(kept: Kept, now: datetime, cuts: set[int]) -> list[list[Outgoing]]:
    """Do what is due as the timers do, until nothing is: each page of a fan-out in a batch of its own."""
    out: list[list[Outgoing]] = []
    while found := kept.due(now):
        assert len(out) < 200, "what is due is done"
        others: list[Message] = [one for one in found if one.kind is not DueKind.FAN_OUT]
        fan_outs: list[Message] = [one for one in found if one.kind is DueKind.FAN_OUT]
        out += [kept.batch(batch, now, POLICY) for batch in [*batches(others, cuts), *_each(fan_outs)]]
    return out


def batches(messages: Sequence[Message], cuts: set[int]) -> Iterator[list[Message]]:
    """Cut messages into batches; cuts before the first or behind the last are none."""
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(messages)), len(messages)]
    return (list(messages[begin:end]) for begin, end in itertools.pairwise(edges) if begin < end)


def _each(messages: Iterable[Message]) -> list[list[Message]]:
    return [[message] for message in messages]


def _read(number: int, said: Said) -> Message:
    name, data, changed = said
    of = structured(name, {"organization": "acme"} | data, **{"id": f"m-{number}"} | changed)
    placed = replace(of, offset=number)
    match name:
        case "Dead":
            return Dead(
                record(b"{", offset=number), DeadLetterReason.UNDECODABLE, "not JSON", False, "billing.projects/3"
            )
        case "ProjectChanged":
            return fact(placed, ProjectChanged)
        case "PaymentProfileChanged":
            return fact(placed, PaymentProfileChanged)
        case _:
            return command(placed)
