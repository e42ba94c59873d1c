"""What holds for everything that goes out, whatever was said (docs/contract.md sections 4 to 8)."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from schemas.events import (
    AccountChanged,
    AccountPhaseChanged,
    BindingChanged,
    NoticeKind,
    Phase,
    ProjectBillingNotice,
)
from schemas.outgoing import Outgoing, render
from schemas.parsing import Identity
from schemas.results import CommandCompleted, Outcome
from tests.support.contract_files import check_published
from tests.unit.domain.kept import Kept

INTERIM = (Outcome.SCHEDULED, Outcome.WAITING)


def check_promises(outgoing: list[Outgoing], kept: Kept) -> None:
    """Check all that went out of a story, and what is kept at its end, when nothing is due any more."""
    for one in outgoing:
        check_published(render(one, "0-1", "/whopays/tests"))
    assert not kept.pending
    assert not kept.fan_outs
    _check_sequences(outgoing)
    _check_bindings(outgoing, kept)
    _check_phases(outgoing, kept)
    _check_notices(outgoing, kept)
    _check_results(outgoing, kept)


def check_single(outgoing: list[Outgoing]) -> None:
    """Check what a message causes: each account's last event is its one AccountChanged; results list what they did."""
    for events in _by_subject(outgoing, (AccountPhaseChanged, AccountChanged)).values():
        names = [one.event.name() for one in events]
        assert names.count("AccountChanged") == 1
        assert names[-1] == "AccountChanged"
        last = events[-1].event
        assert isinstance(last, AccountChanged)
        for phase in [one.event for one in events if isinstance(one.event, AccountPhaseChanged)][-1:]:
            assert (phase.phase, phase.holds) == (last.phase, last.holds)
    results = [(place, one.event) for place, one in enumerate(outgoing) if isinstance(one.event, CommandCompleted)]
    begin = 0
    for place, result in results:
        assert (result.outcome == "Rejected") == bool(result.violations)
        listed = [(event.type, event.subject) for event in result.events]
        caused = outgoing[begin:place]
        if result.dry_run:
            # What fell due before it has its results first.
            assert caused == []
            assert place == len(outgoing) - 1
        elif not result.repeated:
            told = [(one.type, one.subject) for one in caused if one.causation_id == result.command_id]
            # What follows later, told by and by, is listed too: the first of it.
            assert listed[: len(told)] == told
            assert len(listed) <= len(told) + 1
            assert result.event_count >= len(listed)
        begin = place + 1


def _by_subject(outgoing: Iterable[Outgoing], kinds: Any) -> dict[str, list[Outgoing]]:
    found = defaultdict(list)
    for one in outgoing:
        if isinstance(one.event, kinds):
            found[one.subject].append(one)
    return found


def _check_sequences(outgoing: list[Outgoing]) -> None:
    """Check that numbers have no gap from 1 and rise in time, per project and account; nothing else is numbered."""
    for kinds in (BindingChanged, (AccountPhaseChanged, AccountChanged)):
        for events in _by_subject(outgoing, kinds).values():
            assert [one.sequence for one in events] == list(range(1, len(events) + 1))
            _check_rising([one.time for one in events])
    for one in outgoing:
        is_numbered = isinstance(one.event, BindingChanged | AccountPhaseChanged | AccountChanged)
        assert (one.sequence is not None) is is_numbered
    # The log rises in time, so that a bound of its positions is one of its instants, and the other way round.
    times = [one.time for one in outgoing]
    assert times == sorted(times)


def _check_rising(instants: list[datetime]) -> None:
    assert all(earlier < later for earlier, later in itertools.pairwise(instants))


def _check_bindings(outgoing: list[Outgoing], kept: Kept) -> None:
    """Check that `previous` is the `current` of the event before, that intervals touch, and the table says the same."""
    payers = {}
    for subject, events in _by_subject(outgoing, BindingChanged).items():
        current: Any = None
        for one in events:
            event = one.event
            assert isinstance(event, BindingChanged)
            assert (event.previous is None) == (current is None)
            if event.previous is not None:
                assert event.previous.ended_at == one.time
                assert (event.previous.binding_id, event.previous.account, event.previous.established_at) == (
                    current.binding_id,
                    current.account,
                    current.established_at,
                )
            current = event.current
            assert current is None or current.established_at == one.time
            assert event.change == ("Released" if current is None else "Superseded" if event.previous else "Bound")
        payers[subject] = current and current.account
    assert {f"{one.organization}/{one.project}": one.account for one in kept.projects.values() if one.account} == {
        subject: payer for subject, payer in payers.items() if payer
    }
    told = {
        (*subject.split("/"), one.sequence): (event.current and event.current.account, one.time)
        for subject, events in _by_subject(outgoing, BindingChanged).items()
        for one in events
        if isinstance(event := one.event, BindingChanged)
    }
    assert {key: (one.account, one.from_instant) for key, one in kept.bindings.items()} == told
    for project in kept.projects.values():
        assert project.state != "Deleted" or project.account is None
    assert len({binding.binding_id for binding in kept.bindings.values()}) == len(kept.bindings)


def _check_phases(outgoing: list[Outgoing], kept: Kept) -> None:
    """Check that phases form a chain from nothing, none follows itself, and history and state say the same."""
    for subject, events in _by_subject(outgoing, AccountPhaseChanged).items():
        organization, account = subject.split("/")
        told = [one.event for one in events if isinstance(one.event, AccountPhaseChanged)]
        assert [event.previous_phase for event in told] == [None, *(event.phase for event in told)][: len(told)]
        assert all(event.previous_phase != event.phase for event in told)
        assert (told[0].phase, told[0].reason) == ("Provisioning", "Created")
        assert Phase.ARCHIVED not in [event.phase for event in told[:-1]]
        lines = [kept.history[organization, account, number] for number in range(1, len(told) + 1)]
        assert [(line.phase, line.reason, line.entered_at) for line in lines] == [
            (event.phase, event.reason, one.time) for one, event in zip(events, told, strict=True)
        ]
        known = kept.accounts[organization, account]
        assert (known.phase, known.phases) == (told[-1].phase, len(told))
    for subject, events in _by_subject(outgoing, AccountChanged).items():
        versions = [one.event.version for one in events if isinstance(one.event, AccountChanged)]
        assert versions == list(range(1, len(versions) + 1))
        organization, account = subject.split("/")
        assert kept.accounts[organization, account].version == versions[-1]
    for choice in kept.organizations.values():
        if choice.default_account is not None:
            assert kept.accounts[choice.organization, choice.default_account].phase is not Phase.ARCHIVED


def _kind(event: AccountPhaseChanged) -> NoticeKind | None:
    if event.phase is Phase.SUSPENDED:
        return NoticeKind.ACCOUNT_SUSPENDED
    if event.phase is Phase.READY:
        return NoticeKind.ACCOUNT_READY
    if event.previous_phase is Phase.READY and event.phase is not Phase.ARCHIVED:
        return NoticeKind.ACCOUNT_NOT_READY
    return None


def _check_notices(outgoing: list[Outgoing], kept: Kept) -> None:
    """Check that each project that was bound when its account turned is told once, in that order, and nobody else."""
    expected = defaultdict(list)
    told = defaultdict(list)
    for one in outgoing:
        match one.event:
            case AccountPhaseChanged() as event if (kind := _kind(event)) is not None:
                for binding, ended_at in kept.intervals():
                    is_of_account = (binding.organization, binding.account) == (event.organization, event.account)
                    is_bound = binding.from_instant <= one.time and (ended_at is None or one.time < ended_at)
                    if is_of_account and is_bound:
                        project = (binding.organization, binding.project)
                        expected[project].append((event.account, kind, event.reason, event.message))
            case ProjectBillingNotice() as event if event.account is not None:
                project = (event.organization, event.project)
                told[project].append((event.account, event.kind, event.reason, event.message))
                assert told[project] == expected[project][: len(told[project])], "before it happened, or out of order"
            case _:
                pass
    assert told == {project: all_of_it for project, all_of_it in expected.items() if all_of_it}


def _check_results(outgoing: list[Outgoing], kept: Kept) -> None:
    """Check that a claimed command has one final result, which counts what it caused, and at most one before it.

    Its latest is what is repeated.
    """
    answers: dict[Identity, list[CommandCompleted]] = defaultdict(list)
    for one in outgoing:
        if isinstance(one.event, CommandCompleted) and not one.event.dry_run:
            reasons = {violation.reason for violation in one.event.violations}
            told = answers[one.event.organization, one.event.command_source, one.event.command_id]
            if one.event.repeated:
                assert one.event == replace(told[-1], repeated=True)
            elif not reasons & {"Unauthenticated", "CommandIdReused"}:
                told.append(one.event)
    answers = {identity: told for identity, told in answers.items() if told}
    assert answers.keys() == kept.inbox.keys()
    caused = Counter(
        (one.boundary, one.causation_id) for one in outgoing if not isinstance(one.event, CommandCompleted)
    )
    for (organization, _, command_id), results in answers.items():
        *interim, final = results
        assert len(interim) <= 1
        assert all(result.outcome in INTERIM and result.event_count == 0 for result in interim)
        assert final.outcome not in INTERIM
        assert final.event_count == caused[organization, command_id]
