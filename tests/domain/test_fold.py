"""The fold as a property: any batching gives the same result, and what goes out keeps the promises.

docs/contract.md sections 7 and 8.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.dead_letters import Dead
from domain.decision import Policy
from domain.fold import Message
from schemas.events import AccountChanged, AccountPhaseChanged, BindingChanged, ProjectBillingNotice
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.outgoing import Outgoing
from schemas.records import DeadLetterReason
from schemas.results import CommandCompleted
from tests.domain.building import NOON, READY
from tests.domain.kept import Kept
from tests.schemas.building import command, fact, record, structured

POLICY = Policy()
ORGANIZATIONS = ("acme", "beta")
ACCOUNTS = ("a", "b", "c")
PROJECTS = ("p1", "p2", "p3")
PROFILES = ("card-1", "card-2")

Said = tuple[str, dict[str, Any], dict[str, Any]]
"""A message's name, data and changed attributes; its number stands for its id where none is given."""


def _one_of(values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def _say(
    name: str, optional: dict[str, st.SearchStrategy[Any]] | None = None, **members: Any
) -> st.SearchStrategy[Said]:
    # Most of it happens in one organization; some ids come again, and now and then nobody asks.
    organization = st.sampled_from((*ORGANIZATIONS[:1] * 4, *ORGANIZATIONS))
    data = st.fixed_dictionaries({"organization": organization, **members}, optional=optional or {})
    identity = st.one_of(st.just({}), st.just({}), st.just({}), st.fixed_dictionaries({"id": _one_of(("c-1", "c-2"))}))
    sender = st.sampled_from(({}, {}, {}, {}, {}, {}, {"authid": None}, {"expirytime": "2020-01-01T00:00:00Z"}))
    is_fact = name.endswith("Changed")
    return st.tuples(st.just(name), data, st.just({}) if is_fact else st.builds(lambda i, s: i | s, identity, sender))


ACCOUNT, PROJECT, PROFILE = _one_of(ACCOUNTS), _one_of(PROJECTS), _one_of(PROFILES)
VERSION = st.integers(1, 6)
DRY = {"dryRun": _one_of((False, False, True))}

bindings = _say("BindProject", {"expectedAccount": _one_of((None, *ACCOUNTS)), **DRY}, project=PROJECT, account=ACCOUNT)
messages = st.one_of(
    bindings,
    bindings,
    bindings,
    _say(
        "CreateAccount",
        {"paymentProfile": PROFILE, **DRY},
        account=ACCOUNT,
        currencyCode=st.just("USD"),
        paymentTerms=st.just({}),
    ),
    _say("CreateAccount", account=ACCOUNT),
    _say("AttachPaymentProfile", DRY, account=ACCOUNT, paymentProfile=PROFILE),
    _say("SuspendAccount", DRY, account=ACCOUNT, reason=_one_of(("PaymentFailure", "Administrative", "Whim"))),
    _say(
        "ProjectChanged",
        {"uid": _one_of(("u-1", "u-2", "u-3"))},
        project=PROJECT,
        state=_one_of(("Active", "Active", "Inactive", "Deleted")),
        version=VERSION,
    ),
    _say(
        "PaymentProfileChanged",
        paymentProfile=PROFILE,
        kind=_one_of(("CreditCard", "CreditCard", "CreditCard", "Invoice")),
        state=_one_of(("Valid", "Valid", "Valid", "Invalid", "Invalid", "Removed")),
        version=VERSION,
    ),
    st.just(("Dead", {}, {})),
)
# What most stories begin with: two Ready accounts and two Active projects, one of them bound.
OPENING: list[Said] = [
    ("PaymentProfileChanged", {"paymentProfile": "card-1", "kind": "CreditCard", "state": "Valid", "version": 1}, {}),
    *(("CreateAccount", {"account": account, **READY}, {}) for account in ("a", "b")),
    *(
        ("ProjectChanged", {"project": project, "state": "Active", "version": 1, "uid": "u-1"}, {})
        for project in ("p1", "p2")
    ),
    ("BindProject", {"project": "p1", "account": "a"}, {}),
]


def _p1(state: str, version: int, uid: str) -> Said:
    return ("ProjectChanged", {"project": "p1", "state": state, "version": version, "uid": uid}, {})


# Chance rarely tells this one: a successor under the name, the old uid again, a deletion, and a life after it.
SUCCESSION: list[Said] = [
    *OPENING,
    _p1("Active", 1, "u-2"),
    _p1("Active", 9, "u-1"),
    ("BindProject", {"project": "p1", "account": "b"}, {}),
    _p1("Deleted", 2, "u-2"),
    _p1("Active", 3, "u-2"),
    ("BindProject", {"project": "p1", "account": "a"}, {}),
    ("AttachPaymentProfile", {"account": "a", "paymentProfile": "card-2"}, {}),
]
stories = st.builds(
    lambda is_opened, rest: [*(OPENING if is_opened else []), *rest],
    st.sampled_from((True, True, True, False)),
    st.lists(messages, min_size=1, max_size=30),
)


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


def _messages(story: list[Said]) -> list[Message]:
    return [_read(number, said) for number, said in enumerate(story)]


def _cut(story: list[Message], cuts: set[int]) -> Iterator[list[Message]]:
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(story)), len(story)]
    return (story[begin:end] for begin, end in itertools.pairwise(edges))


def _kept(batches: Iterator[list[Message]]) -> Kept:
    kept = Kept()
    for batch in batches:
        kept.batch(batch, NOON, POLICY)
    return kept


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories, cuts=st.sets(st.integers(1, 36)))
@example(story=SUCCESSION, cuts={7, 9})
def test_any_batching_gives_the_same_result(story: list[Said], cuts: set[int]) -> None:
    read = _messages(story)
    as_one = _kept(iter([read]))
    one_by_one = _kept([message] for message in read)
    in_parts = _kept(_cut(read, cuts))
    assert one_by_one == as_one
    assert in_parts == as_one


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories, cuts=st.sets(st.integers(1, 36)))
def test_what_comes_again_changes_nothing(story: list[Said], cuts: set[int]) -> None:
    """All is delivered again in other batches; what claims no id is known by its place, before the fold.

    Each project keeps its uid here: among several a record without one means the present one, whichever that is.
    """
    read = _messages(
        [(name, data | {"uid": "u-1"} if name == "ProjectChanged" else data, more) for name, data, more in story]
    )
    kept = _kept(iter([read]))
    before = replace(deepcopy(kept), counts={})
    places = {handled.place for handled in kept.handled}
    for batch in _cut([message for message in read if message.record.place not in places], cuts):
        assert kept.batch(batch, NOON, POLICY) == []
    assert replace(kept, counts={}) == before


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories, steps=st.lists(st.integers(-3, 3), min_size=36, max_size=36))
@example(story=SUCCESSION, steps=[0, 1, -1, -2, 3, 0, -3, 1, 0, -1, 0, 2, -3])
def test_what_goes_out_keeps_the_promises(story: list[Said], steps: list[int]) -> None:
    """The clock of this story steps forth and back."""
    kept = Kept()
    now = NOON
    out: list[list[Outgoing]] = []
    for message, step in zip(_messages(story), steps, strict=False):
        now += timedelta(seconds=step)
        out.append(kept.batch([message], now, POLICY))
        _check_cause(out[-1])
    everything = [one for each in out for one in each]
    _check_sequences(everything)
    _check_bindings(everything, kept)
    _check_phases(everything, kept)


def _by_subject(outgoing: list[Outgoing], kinds: Any) -> dict[str, list[Outgoing]]:
    found = defaultdict(list)
    for one in outgoing:
        if isinstance(one.event, kinds):
            found[one.subject].append(one)
    return found


def _check_sequences(outgoing: list[Outgoing]) -> None:
    """Gapless from 1 and rising in time, per project and per account; nothing else is numbered."""
    for kinds in (BindingChanged, (AccountPhaseChanged, AccountChanged)):
        for events in _by_subject(outgoing, kinds).values():
            assert [one.sequence for one in events] == list(range(1, len(events) + 1))
            _check_rising([one.time for one in events])
    for one in outgoing:
        is_numbered = isinstance(one.event, BindingChanged | AccountPhaseChanged | AccountChanged)
        assert (one.sequence is not None) is is_numbered


def _check_rising(instants: list[datetime]) -> None:
    assert all(earlier < later for earlier, later in itertools.pairwise(instants))


def _check_bindings(outgoing: list[Outgoing], kept: Kept) -> None:
    """Each event's `previous` is the `current` of the one before; intervals touch; the table says the same."""
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
    assert {f"{one.organization}/{one.project}": one.account for one in kept.active()} == {
        subject: payer for subject, payer in payers.items() if payer
    }
    for key, project in kept.projects.items():
        timeline = sorted(
            (one for one in kept.bindings.values() if (one.organization, one.project) == key), key=lambda o: o.number
        )
        assert [one.number for one in timeline] == list(range(1, project.bindings + 1))
        assert [one.previous_ended_at for one in timeline] == [None, *(one.ended_at for one in timeline)][
            : len(timeline)
        ]
        assert all(one.ended_at is None or one.established_at < one.ended_at for one in timeline)
        assert project.state != "Deleted" or all(one.ended_at for one in timeline)
    assert len({binding.binding_id for binding in kept.bindings.values()}) == len(kept.bindings)


def _check_phases(outgoing: list[Outgoing], kept: Kept) -> None:
    """Phases form a chain from nothing, no phase follows itself, and history and state say the same."""
    for subject, events in _by_subject(outgoing, AccountPhaseChanged).items():
        organization, account = subject.split("/")
        told = [one.event for one in events if isinstance(one.event, AccountPhaseChanged)]
        assert [event.previous_phase for event in told] == [None, *(event.phase for event in told)][: len(told)]
        assert all(event.previous_phase != event.phase for event in told)
        assert (told[0].phase, told[0].reason) == ("Provisioning", "Created")
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


def _check_cause(outgoing: list[Outgoing]) -> None:
    """Of one cause: each account's last event is its one AccountChanged; a project is told one thing once."""
    for events in _by_subject(outgoing, (AccountPhaseChanged, AccountChanged)).values():
        names = [one.event.name() for one in events]
        assert names.count("AccountChanged") == 1
        assert names[-1] == "AccountChanged"
        last = events[-1].event
        assert isinstance(last, AccountChanged)
        for phase in [one.event for one in events if isinstance(one.event, AccountPhaseChanged)][-1:]:
            assert (phase.phase, phase.holds) == (last.phase, last.holds)
    notices = [one.event for one in outgoing if isinstance(one.event, ProjectBillingNotice)]
    told = [(notice.organization, notice.project, notice.kind) for notice in notices]
    assert len(told) == len(set(told))
    entered = {
        (one.event.organization, one.event.account) for one in outgoing if isinstance(one.event, AccountPhaseChanged)
    }
    assert {(n.organization, n.account) for n in notices if n.account} <= entered
    results = [one.event for one in outgoing if isinstance(one.event, CommandCompleted)]
    for result in results:
        assert outgoing[-1].event is result
        assert (result.outcome == "Rejected") == bool(result.violations)
        if not result.dry_run:
            assert [(event.type, event.subject) for event in result.events] == [
                (one.type, one.subject) for one in outgoing[:-1]
            ]
        else:
            assert len(outgoing) == 1


def test_the_stories_are_worth_telling() -> None:
    """The opening leads to a binding, so that most stories are about something."""
    kept = _kept(iter([_messages(OPENING)]))
    assert [binding.account for binding in kept.active()] == ["a"]
    assert kept.counts == {"stale": 0, "repeated": 0, "dead": 0, "Applied": 3}
