"""The evidence divided by organization, since nothing crosses from one to another."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from tests.faults.judge.evidence import (
    Claimed,
    Evidence,
    Heard,
    Json,
    KnownAccount,
    KnownProfile,
    KnownProject,
    Paid,
    Phase,
    Place,
    Published,
)
from tests.faults.judge.reading import Asked, Poison, Reported, is_redriven, read
from tests.faults.judge.tokens import Checked, checked

EVENTS = ("BindingChanged", "AccountPhaseChanged", "AccountChanged", "ProjectBillingNotice")
INTERIM = ("Scheduled", "Waiting")


class Event(NamedTuple):
    """Something published about an organization. `at` is its shard and position, which give the order of decisions."""

    at: tuple[int, int]
    name: str
    subject: str
    sequence: int | None
    time: datetime
    cause: str
    sender: str | None
    data: Json


@dataclass
class Story:
    """One organization: what was sent, what came out in the order of decisions, and what is stored."""

    organization: str
    asked: list[Asked] = field(default_factory=list)
    projects: list[Reported] = field(default_factory=list)
    profiles: list[Reported] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    known_projects: list[KnownProject] = field(default_factory=list)
    known_profiles: list[KnownProfile] = field(default_factory=list)
    known_accounts: list[KnownAccount] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    bindings: list[Paid] = field(default_factory=list)
    inbox: list[Claimed] = field(default_factory=list)
    forgotten: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    uncertain: set[Place] = field(default_factory=set)
    """Records that may or may not have been read, or that were made to fail."""
    fact_letters: dict[Place, str] = field(default_factory=dict)
    """Dead letters of readable facts, by place: why."""

    @cached_property
    def events(self) -> list[Event]:
        """Everything that came out, in the order in which it was decided."""
        return sorted((_event(one) for one in self.published), key=lambda event: event.at)

    @property
    def results(self) -> list[Event]:
        """The results."""
        return [event for event in self.events if event.name == "CommandCompleted"]

    def of(self, *names: str) -> dict[str, list[Event]]:
        """Return the events of these names by subject, in order."""
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            if event.name in names:
                found[event.subject].append(event)
        return found


class Letter(NamedTuple):
    """A dead letter: for which record, and why."""

    place: Place
    reason: str


@dataclass
class Cut:
    """The evidence, organization by organization, and the poison."""

    stories: dict[str, Story]
    poison: list[Poison]
    letters: list[Letter]
    strays: list[str]
    """What was published about no known organization."""


def cut(evidence: Evidence) -> Cut:
    """Read what was sent and sort it by organization."""
    stories: defaultdict[str, Story] = defaultdict(lambda: Story(""))
    poison, letters, strays = [], [], []
    uncertain = evidence.deleted | evidence.made_faulty
    first: dict[tuple[str, bytes | None], Heard] = {}
    for heard in evidence.heard:
        # Whoever redrives a dead letter asks nothing: who sent its record at first does.
        content, sent = (heard.topic, heard.value), heard
        if is_redriven(heard):
            sent = first.get(content, heard)
        else:
            first.setdefault(content, heard)
        said = read(heard, _token(sent, evidence))
        if isinstance(said, Poison):
            poison.append(said)
            continue
        story = stories[said.organization]
        if heard.place in uncertain:
            story.uncertain.add(heard.place)
        if isinstance(said, Asked):
            story.asked.append(said)
        else:
            (story.projects if heard.topic == "projects" else story.profiles).append(said)
    for one in evidence.published:
        if one.topic == "dead-letters":
            letters.append(_letter(one))
        elif one.key is None:
            strays.append(one.id)
        else:
            stories[one.key.decode().partition("/")[0]].published.append(one)
    tables: tuple[tuple[list[Any], str], ...] = (
        (evidence.projects, "known_projects"),
        (evidence.profiles, "known_profiles"),
        (evidence.accounts, "known_accounts"),
        (evidence.phases, "phases"),
        (evidence.bindings, "bindings"),
        (evidence.inbox, "inbox"),
    )
    for rows, name in tables:
        for row in rows:
            getattr(stories[row.organization], name).append(row)
    places = {fact.place: story for story in stories.values() for fact in (*story.projects, *story.profiles)}
    for letter in letters:
        if letter.place in places:
            places[letter.place].fact_letters[letter.place] = letter.reason
    for organization, story in stories.items():
        story.organization = organization
        story.forgotten = evidence.forgotten
    return Cut(dict(stories), poison, letters, strays)


def finals(results: list[Event]) -> Iterator[Event]:
    """Yield the results that claim an id and are not interim."""
    for result in results:
        if kind_of(result) == "final":
            yield result


def kind_of(result: Event) -> str:
    """Return the kind of a result.

    It is `dry`, `repeated`, `reused`, `unauthenticated`, `forbidden`, `interim` or `final`.
    """
    reasons = {violation["reason"] for violation in result.data["violations"]}
    if result.data["dryRun"]:
        return "dry"
    if result.data.get("repeated", False):
        return "repeated"
    if "CommandIdReused" in reasons:
        return "reused"
    for refused in ("Unauthenticated", "Forbidden"):
        if refused in reasons:
            return refused.lower()
    return "interim" if result.data["outcome"] in INTERIM else "final"


def moment(text: str) -> datetime:
    """Parse an instant."""
    return datetime.fromisoformat(text)


def _token(heard: Heard, evidence: Evidence) -> Checked | None:
    """Return what a record's token is worth, where tokens are checked."""
    if evidence.stamps is None:
        return None
    return checked(heard.headers, evidence.stamps.get(heard.place, datetime.min.replace(tzinfo=UTC)))


def _event(one: Published) -> Event:
    event = json.loads(one.value)
    shard, _, position = event["id"].partition("-")
    sequence = event.get("sequence")
    return Event(
        (int(shard), int(position)),
        event["type"].removeprefix("io.milo.billing.").removesuffix(".v1"),
        event["subject"],
        None if sequence is None else int(sequence),
        moment(event["time"]),
        event.get("causationid", ""),
        event.get("authid"),
        event["data"],
    )


def _letter(one: Published) -> Letter:
    data = json.loads(one.value)["data"]
    return Letter((data["topic"].rpartition(".")[2], data["partition"], data["offset"]), data["reason"])
