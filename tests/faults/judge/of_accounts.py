"""Rules about accounts: phases touch, follow from what is known, and every bound project is notified."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.faults.judge.stories import Event, Story, moment


def account_sequences_have_no_hole(story: Story) -> Iterator[str]:
    """Both kinds of account events are numbered 1, 2, 3 … together, at rising instants, as the database knows."""
    held = {one.account: one for one in story.known_accounts}
    told = _of_accounts(story)
    for name in sorted(told.keys() | held.keys()):
        numbers = [event.sequence for event in told[name]]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"{name} has the events {numbers}"
        for before, after in pairwise(told[name]):
            if after.time <= before.time:
                yield f"{name}: event {after.sequence} is not later than the one before it"
        if name not in held or held[name].sequence != len(numbers):
            yield f"{name} has {len(numbers)} events, the database says {name in held and held[name].sequence}"


def phases_touch(story: Story) -> Iterator[str]:
    """Each change of phase begins where the one before it ended; the history in the database says the same."""
    history: defaultdict[str, list[tuple[str | None, str]]] = defaultdict(list)
    for row in sorted(story.phases, key=lambda one: one.number):
        history[row.account].append((row.previous, row.phase))
    for name, events in _of_accounts(story).items():
        phase, steps = None, []
        for event in events:
            if event.name == "AccountPhaseChanged":
                if event.data["previousPhase"] != phase:
                    yield f"{name}: event {event.sequence} leaves {event.data['previousPhase']}, it was {phase}"
                steps.append((event.data["previousPhase"], event.data["phase"]))
                phase = event.data["phase"]
            elif event.data["phase"] != phase:
                yield f"{name}: event {event.sequence} says {event.data['phase']}, it is {phase}"
        if steps and steps[0] != (None, "Provisioning"):
            yield f"{name} began {steps[0]}"
        if steps != history[name]:
            yield f"{name} went through {len(steps)} phases, and its history has {len(history[name])} others"


def accounts_tell_their_state_last(story: Story) -> Iterator[str]:
    """A change of phase is followed by the account's state, once, with a higher version, of the same cause."""
    held = {one.account: one for one in story.known_accounts}
    for name, events in _of_accounts(story).items():
        version = 0
        for before, after in pairwise(events):
            if before.name == "AccountPhaseChanged" and before.cause != after.cause:
                yield f"{name}: event {before.sequence} is not followed by the account's state"
        if events[-1].name != "AccountChanged":
            yield f"{name}: its last event is no AccountChanged"
        for event in events:
            if event.name == "AccountChanged":
                if event.data["version"] <= version:
                    yield f"{name}: event {event.sequence} has version {event.data['version']} after {version}"
                version = event.data["version"]
        last = (events[-1].data["phase"], version)
        if name in held and (held[name].phase, held[name].version) != last:
            yield f"{name} is {last} in events, {(held[name].phase, held[name].version)} in the database"


def phases_follow_from_what_is_known(story: Story) -> Iterator[str]:
    """Suspended means holds, Ready means complete, and what was activated once stays so, in its currency."""
    for name, events in _of_accounts(story).items():
        ready, activated, currency = None, None, None
        for event in events:
            data = event.data
            if (
                data["phase"] != "Archived"
                and (data["phase"] == "Suspended") != bool(data["holds"])
                and not _created(event)
            ):
                yield f"{name}: event {event.sequence} says {data['phase']} with {len(data['holds'])} holds"
            if event.name == "AccountPhaseChanged":
                ready = ready or (event.time if data["phase"] == "Ready" else None)
                continue
            complete = data["currencyCode"] and data["paymentTerms"] and data["paymentProfile"]
            if data["phase"] == "Ready" and not complete:
                yield f"{name}: event {event.sequence} says Ready, and something is missing"
            instant = data["activatedAt"] and moment(data["activatedAt"])
            if instant != ready:
                yield f"{name}: event {event.sequence} says activated {instant}, it was {ready}"
            if activated and data["currencyCode"] != currency:
                yield f"{name}: event {event.sequence} changes the currency"
            activated, currency = instant, data["currencyCode"]


def bound_projects_are_told_of_phases(story: Story) -> Iterator[str]:
    """Each project bound when an account is suspended, gets or stops being Ready has one notice of it; no other has."""
    paid: defaultdict[str, set[str]] = defaultdict(set)
    payers: dict[str, str] = {}
    due: Counter[tuple[str, str, str, str]] = Counter()
    for event in story.events:
        if event.name == "BindingChanged":
            project, current = event.data["project"], event.data["current"]
            if project in payers:
                paid[payers.pop(project)].discard(project)
            if current:
                payers[project] = current["account"]
                paid[payers[project]].add(project)
        kind = _notice(event)
        if kind:
            name = event.data["account"]
            due.update((project, name, kind, event.cause) for project in paid[name])
    told = Counter(
        (event.data["project"], event.data["account"], event.data["kind"], event.cause)
        for event in story.events
        if event.name == "ProjectBillingNotice" and event.data["account"] is not None
    )
    for notice in sorted((due - told).keys()):
        yield f"{notice[0]} was not told of {notice[1:]}"
    for notice in sorted((told - due).keys()):
        yield f"{notice[0]} was told of {notice[1:]} once too often"


def causes_were_really_sent(story: Story) -> Iterator[str]:
    """Every event has a cause: a command or a fact that was sent, and by whom."""
    commands = defaultdict(set)
    for asked in story.asked:
        commands[asked.id].add(asked.sender)
    reported = {fact.id: fact.by for fact in (*story.projects, *story.profiles)}
    for event in story.events:
        if event.cause not in commands and event.cause not in reported:
            yield f"{event.name} of {event.subject}: nobody sent {event.cause}"
            continue
        cause = event.data.get("cause")
        if cause is None:
            continue
        told = cause.get("commandId") or cause.get("factId")
        by = (
            commands.get(event.cause) if "commandId" in cause else {reported.get(event.cause), "system:default-account"}
        )
        if told != event.cause or cause["by"] not in (by or ()):
            yield f"{event.name} of {event.subject} says {cause}, it was {event.cause} by {by}"


def _of_accounts(story: Story) -> defaultdict[str, list[Event]]:
    told: defaultdict[str, list[Event]] = defaultdict(list)
    for subject, events in story.of("AccountPhaseChanged", "AccountChanged").items():
        told[subject.partition("/")[2]] = sorted(events, key=lambda event: event.at)
    return told


def _created(event: Event) -> bool:
    return event.name == "AccountPhaseChanged" and event.data["previousPhase"] is None


def _notice(event: Event) -> str | None:
    """Return the kind of notice that a change of phase leads to, if any."""
    if event.name != "AccountPhaseChanged" or event.data["previousPhase"] is None:
        return None
    before, phase = event.data["previousPhase"], event.data["phase"]
    if phase == "Suspended":
        return "AccountSuspended"
    if phase == "Ready":
        return "AccountReady"
    return "AccountNotReady" if before == "Ready" and phase != "Archived" else None
