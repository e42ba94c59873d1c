"""Rules about payers: one at any instant, in sequence without a gap, and events and rows agree."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from tests.faults.judge import facts
from tests.faults.judge.evidence import Json
from tests.faults.judge.stories import Event, Story, finals, kind_of, moment

Interval = tuple[str, datetime, datetime | None]
"""Account, start, end."""


def binding_sequences_have_no_hole(story: Story) -> Iterator[str]:
    """Each project's changes are numbered 1, 2, 3 …, and the database knows the last number."""
    last = {}
    for subject, changes in story.of("BindingChanged").items():
        numbers = [change.sequence for change in changes]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"{subject} has the changes {numbers}"
        last[subject.partition("/")[2]] = len(numbers)
    for known in story.known_projects:
        if known.number != last.get(known.project, 0):
            yield f"{known.project} has {last.get(known.project, 0)} changes, the database says {known.number}"


def binding_instants_rise(story: Story) -> Iterator[str]:
    """Each change of a project is later than the one before it, and begins at its own instant."""
    for subject, changes in story.of("BindingChanged").items():
        for before, after in pairwise(changes):
            if after.time <= before.time:
                yield f"{subject}: change {after.sequence} is not later than the one before it"
        for change in changes:
            current = change.data["current"]
            if current and moment(current["establishedAt"]) != change.time:
                yield f"{subject}: change {change.sequence} is of another instant than its binding"


def payers_follow_each_other_without_gap(story: Story) -> Iterator[str]:
    """Each change ends what the one before it began, at the instant where the next begins."""
    for subject, changes in story.of("BindingChanged").items():
        ids: set[str] = set()
        payer: Json | None = None
        for change in changes:
            current, previous = change.data["current"], change.data["previous"]
            kept = previous and {name: previous[name] for name in ("bindingId", "account", "establishedAt")}
            begun = payer and {name: payer[name] for name in ("bindingId", "account", "establishedAt")}
            if kept != begun:
                yield f"{subject}: change {change.sequence} ends {kept}, {begun} was paying"
            if previous and moment(previous["endedAt"]) != change.time:
                yield f"{subject}: change {change.sequence} leaves a gap or an overlap"
            kind = "Released" if current is None else "Superseded" if previous else "Bound"
            if change.data["change"] != kind or (current, previous) == (None, None):
                yield f"{subject}: change {change.sequence} calls itself {change.data['change']}"
            if current and previous and current["account"] == previous["account"]:
                yield f"{subject}: change {change.sequence} changes nothing"
            if current and current["bindingId"] in ids:
                yield f"{subject}: change {change.sequence} uses a binding id again"
            ids |= {current["bindingId"]} if current else set()
            payer = current


def only_deletion_releases(story: Story) -> Iterator[str]:
    """A project loses its payer without a successor only when it is reported deleted, or as another one."""
    ended = facts.projects(story).ended
    uncertain = {fact.id for fact in story.projects if fact.place in story.uncertain}
    for subject, changes in story.of("BindingChanged").items():
        for change in changes:
            if change.data["change"] == "Released" and change.cause not in ended | uncertain:
                yield f"{subject}: change {change.sequence} releases it, and {change.cause} does not delete it"


def intervals_are_the_rows(story: Story) -> Iterator[str]:
    """The changes are the rows of the database, and the last of each project is what the project's own row says."""
    due = {
        subject.partition("/")[2]: [
            (change.sequence, current["account"] if (current := change.data["current"]) else None, change.time)
            for change in changes
        ]
        for subject, changes in story.of("BindingChanged").items()
    }
    held: defaultdict[str, list[tuple[int, str | None, datetime | None]]] = defaultdict(list)
    for row in sorted(story.bindings, key=lambda one: one.number):
        held[row.project].append((row.number, row.account, row.since))
    for project in sorted(due.keys() | held.keys()):
        if due.get(project, []) != held[project]:
            yield f"{project}: the changes come to {due.get(project, [])[-2:]} and the rows to {held[project][-2:]}"
    for known in story.known_projects:
        last = held[known.project][-1:] or [(0, None, None)]
        if (known.number, known.account, known.payer_since) != last[0]:
            yield f"{known.project}: {known.account} pays since {known.payer_since}, its last row is {last[0]}"


def applied_bindings_have_their_change(story: Story) -> Iterator[str]:
    """Each applied `BindProject` is exactly one change, to its account; each applied transfer as many as it counts."""
    changes: defaultdict[str, list[Event]] = defaultdict(list)
    for event in story.events:
        if event.name == "BindingChanged":
            changes[event.data["cause"].get("commandId", "")].append(event)
    for result in finals(story.results):
        data, own = result.data, changes[result.data["commandId"]]
        kind = data["commandType"].split(".")[-2]
        if kind == "BindProject":
            told = [(one.data["project"], (one.data["current"] or {}).get("account")) for one in own]
            due = [(data["project"], data["account"])] if data["outcome"] == "Applied" else []
            if told != due:
                yield f"{data['commandId']} is {data['outcome']}, and came to {told}"
            if due and told and own[0].data["current"]["bindingId"] != data["bindingId"]:
                yield f"{data['commandId']} names another binding than the one it began"
        elif kind == "TransferProjects":
            if len(own) != (data.get("projectCount") or 0) or len({one.time for one in own}) > 1:
                yield f"{data['commandId']} moved {len(own)} projects, and counts {data.get('projectCount')}"
        elif own:
            yield f"{data['commandId']} is a {kind} and changed a payer"


def new_projects_get_a_payer_or_are_told(story: Story) -> Iterator[str]:
    """A project that becomes Active without a payer gets what waits for it, the default account, or one notice."""
    newly_active = facts.projects(story).newly_active
    reported = {fact.id: fact for fact in story.projects}
    waited = {result.data["project"] for result in story.results if kind_of(result) == "interim"}
    told: defaultdict[str, int] = defaultdict(int)
    defaulted = set()
    for event in story.events:
        if event.name == "ProjectBillingNotice" and event.data["kind"] == "PayerMissing":
            told[event.cause] += 1
        elif event.name == "BindingChanged" and event.sender == "system:default-account":
            defaulted.add(event.cause)
    for cause, times in told.items():
        if cause not in reported or reported[cause].data["state"] != "Active":
            yield f"{cause} is told to have no payer, and reports no Active project"
        if times > 1 or cause in defaulted:
            yield f"{cause} is told {times} times that it has no payer, bound by default: {cause in defaulted}"
    if not story.uncertain:
        for cause in sorted(newly_active - told.keys() - defaulted):
            if reported[cause].name not in waited:
                yield f"{cause} makes {reported[cause].name} Active, which nobody pays, and nobody is told"


def intervals(story: Story) -> dict[str, list[Interval]]:
    """Return who paid when by project, from the changes."""
    found: dict[str, list[Interval]] = {}
    for subject, changes in story.of("BindingChanged").items():
        paid = found.setdefault(subject.partition("/")[2], [])
        for change in changes:
            current, previous = change.data["current"], change.data["previous"]
            if previous and paid:
                paid[-1] = (*paid[-1][:2], moment(previous["endedAt"]))
            if current:
                paid.append((current["account"], moment(current["establishedAt"]), None))
    return found
