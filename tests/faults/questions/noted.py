"""What was asked and answered, as it came: evidence, without any judgement."""

from dataclasses import dataclass, field
from typing import Any

from db.placing import shard_of
from tests.support.installations import Installation

Place = tuple[int, int]
"""A shard, and a position in it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer about an organization; `server` is the number of the process that gave it.

    Answers of one asker stand in the order in which they were asked for, each after the one before it had come.
    `document` of a 304 is what the asker knew by the tag. `wanted` are the parameters, `atLeast` among them.
    """

    server: int
    organization: str
    path: str
    wanted: dict[str, str]
    status: int
    as_of: Place | None
    closed: str | None
    document: Any


@dataclass(slots=True)
class Stream:
    """The events of an organization as they came, after a position, over all connections."""

    organization: str
    after: Place
    events: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def last(self) -> str:
        """The id of the last one."""
        return self.events[-1][0] if self.events else f"{self.after[0]}-{self.after[1]}"


@dataclass(slots=True)
class Listing:
    """Names that pages held, one page after another: from before the first to after the last."""

    organization: str
    account: str
    names: list[str]
    first: Place
    last: Place


@dataclass(slots=True)
class Noted:
    """All that was noted."""

    answers: list[list[Answer]] = field(default_factory=list)
    """By asker."""
    streams: list[Stream] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    """What must not happen at all, in words."""


def place_of(event_id: str) -> Place:
    """Return where the event with an id stands."""
    shard, _, position = event_id.partition("-")
    return int(shard), int(position)


def organizations(installation: Installation, *names: str) -> dict[str, Place]:
    """Return organizations, each with the place before its first event."""
    return {name: (shard_of(name, installation.settings.shards), 0) for name in names}
