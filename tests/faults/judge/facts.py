"""Facts (docs/contract.md, section 3) applied as simply as possible: the final state of projects and profiles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.faults.judge.evidence import Json, Place
from tests.faults.judge.reading import Reported
from tests.faults.judge.stories import Story

_PROFILE = ("kind", "state", "reference", "country", "expiresAt", "reason")


@dataclass
class Learned:
    """The outcome of an organization's facts. `newly_active` are the ids of facts that make a new project Active."""

    known: dict[str, Json] = field(default_factory=dict)
    conflicts: list[Place] = field(default_factory=list)
    newly_active: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)


def projects(story: Story) -> Learned:
    """Apply the facts about projects, in order."""
    learned = Learned()
    retired: set[tuple[str, str]] = set()
    for fact in story.projects:
        if fact.place not in story.uncertain:
            _learn_project(fact, learned, retired)
    return learned


def profiles(story: Story) -> Learned:
    """Apply the facts about payment profiles, in order."""
    learned = Learned()
    for fact in story.profiles:
        known = learned.known.get(fact.name)
        content = {name: fact.data.get(name) for name in _PROFILE} | {"version": fact.data["version"]}
        if fact.place in story.uncertain or (known and known["state"] == "Removed"):
            continue
        if known and content["version"] <= known["version"]:
            if content["version"] == known["version"] and content != known:
                learned.conflicts.append(fact.place)
            continue
        learned.known[fact.name] = content
    return learned


def conflicts(story: Story) -> list[Place]:
    """Return the places of facts that report a known version with different content."""
    return [*projects(story).conflicts, *profiles(story).conflicts]


def facts_are_known_as_reported(story: Story) -> Iterator[str]:
    """The database has each project and profile as its highest version says."""
    if not _is_in_one_order(story):
        return
    due = {
        name: (one["state"], one["version"], one["uid"], one["displayName"])
        for name, one in projects(story).known.items()
    }
    held = {one.project: (one.state, one.version, one.uid, one.display_name) for one in story.known_projects}
    yield from _differences("project", due, held)
    due_profiles = {name: (one["state"], one["version"]) for name, one in profiles(story).known.items()}
    held_profiles = {one.profile: (one.state, one.version) for one in story.known_profiles}
    yield from _differences("payment profile", due_profiles, held_profiles)


def _is_in_one_order(story: Story) -> bool:
    """Return whether all facts were certainly read and each topic's lie in one partition."""
    places = [fact.place for fact in (*story.projects, *story.profiles)]
    return not story.uncertain & set(places) and len({place[:2] for place in places}) <= 2


def _learn_project(fact: Reported, learned: Learned, retired: set[tuple[str, str]]) -> None:
    said, known = fact.data, learned.known.get(fact.name)
    uid = said.get("uid")
    content = {name: said.get(name) for name in ("state", "version", "displayName")}
    if known is not None:
        if (fact.name, uid) in retired:
            return
        if uid and known["uid"] and uid != known["uid"]:
            if said["state"] == "Deleted" and known["state"] != "Deleted":
                return
            retired.add((fact.name, known["uid"]))
            learned.ended.add(fact.id)
            known = None
        elif said["version"] <= known["version"]:
            is_same = {**content, "uid": uid or known["uid"]} == known
            if said["version"] == known["version"] and not is_same:
                learned.conflicts.append(fact.place)
            return
    if said["state"] == "Deleted":
        learned.ended.add(fact.id)
    if said["state"] == "Active" and (known is None or known["state"] == "Deleted"):
        learned.newly_active.add(fact.id)
    learned.known[fact.name] = {**content, "uid": uid or (known["uid"] if known else None)}


def _differences(kind: str, due: Mapping[str, object], held: Mapping[str, object]) -> Iterator[str]:
    for name in sorted(due.keys() | held.keys()):
        if due.get(name) != held.get(name):
            yield f"{kind} {name} was reported as {due.get(name)}, and is known as {held.get(name)}"
