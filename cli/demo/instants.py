"""The instants that the demonstration asks about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.questions.intervals import TimelineEntry

_MICROSECOND = timedelta(microseconds=1)

Timelines = Mapping[tuple[str, str], Sequence[TimelineEntry]]


@dataclass(frozen=True, slots=True)
class Question:
    """Who pays for a project at an instant (None: now); `when` says what is special about the instant."""

    project: tuple[str, str]
    at: datetime | None
    when: str


def questions_about(timelines: Timelines) -> list[Question]:
    """Return questions whose answers show that intervals are adjacent and half-open, with a gap after a deletion."""
    rocket, website, portal = ("acme", "rocket"), ("acme", "website"), ("globex", "portal")
    moved = timelines[rocket][1].established_at
    gone, again = timelines[portal]
    return [
        Question(rocket, moved - _MICROSECOND, "a microsecond before it moved"),
        Question(rocket, moved, "the instant it moved"),
        Question(rocket, None, ""),
        Question(website, timelines[website][0].established_at - _MICROSECOND, "just before its first payer"),
        Question(website, None, "a suspended account still pays"),
        Question(portal, (gone.ended_at or again.established_at), "the instant it was deleted"),
        Question(portal, None, ""),
    ]
