"""What was published, and what follows from it at each position: read from the log, folded independently."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_TYPES = ("BindingChanged", "AccountPhaseChanged", "AccountChanged", "ProjectBillingNotice", "CommandCompleted")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of an organization."""

    position: int
    kind: str
    value: bytes
    document: Any

    @property
    def time(self) -> str:
        """The instant of the change."""
        return str(self.document["time"])


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a project's payer."""

    position: int
    time: str
    current: Any


class Published:
    """The events of organizations by position, and who paid for what as of each."""

    def __init__(self, events: dict[str, list[Event]]) -> None:
        self._events = events
        self._changes: dict[tuple[str, str], list[Change]] = defaultdict(list)
        for organization, found in events.items():
            for event in found:
                if event.kind == "BindingChanged":
                    data = event.document["data"]
                    changes = self._changes[organization, data["project"]]
                    changes.append(Change(event.position, event.time, data["current"]))

    def events(self, organization: str, after: int = 0, until: int = 2**63) -> list[Event]:
        """Return the events past a position and up to another."""
        return [one for one in self._events.get(organization, []) if after < one.position <= until]

    def payer(self, organization: str, project: str, position: int, at: str | None) -> dict[str, Any] | None:
        """Return who pays, as of a position, at an instant or in the end: the members that an answer must have."""
        known = [one for one in self._changes[organization, project] if one.position <= position]
        number = len(known) if at is None else bisect_right(known, at, key=lambda one: one.time)
        if not number or known[number - 1].current is None:
            return None
        current = known[number - 1].current
        kept = {name: current[name] for name in ("bindingId", "account", "establishedAt")}
        return kept | {"endedAt": known[number].time if number < len(known) else None}

    def projects(self, organization: str) -> list[str]:
        """Return the projects that ever had a payer."""
        return [project for one, project in self._changes if one == organization]

    def steps(self, organization: str, first: int, last: int) -> list[int]:
        """Return the positions between two at which anything can have changed, and the first."""
        return [first, *(one.position for one in self.events(organization, first, last))]


async def published(engine: AsyncEngine) -> Published:
    """Return what the log holds, once all of it is published."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_LOG)).all()
    events: dict[str, list[Event]] = defaultdict(list)
    for row in rows:
        document = orjson.loads(row.value)
        kind = document["type"].removeprefix("io.milo.billing.").removesuffix(".v1")
        if kind in _TYPES:
            events[row.boundary].append(Event(row.position, kind, bytes(row.value), document))
    return Published(events)


_LOG = text("SELECT boundary, position, value FROM log WHERE boundary IS NOT NULL ORDER BY position")
