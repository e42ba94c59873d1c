"""The fold as a property: any batching gives the same result, and what goes out keeps the promises.

docs/contract.md sections 5, 7 and 8. A story goes on in time, and what is due by then happens between its batches.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain import bindings, closure, notices
from domain.dead_letters import Dead
from domain.messages import Due, DueKind, Message
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.outgoing import Outgoing
from schemas.policy import OperatorPolicy
from schemas.records import DeadLetterReason
from tests.domain.building import NOON, READY
from tests.domain.kept import Kept
from tests.domain.promises import check_promises, check_single
from tests.schemas.building import command, fact, record, structured

POLICY = OperatorPolicy()
ORGANIZATIONS = ("acme", "beta")
ACCOUNTS = ("a", "b", "c")
PROJECTS = ("p1", "p2", "p3", "p4")
PROFILES = ("card-1", "card-2")
CONTACT = {"name": "Ada", "emails": ["ada@example.com"]}

Said = tuple[str, dict[str, Any], dict[str, Any]]
"""A message's name, data and changed attributes; its number stands for its id where none is given.

`Later` says that seconds pass.
"""


@pytest.fixture(autouse=True, scope="module")
def small_bounds() -> Iterator[None]:
    """Four projects are many here: too many to be told at once, to be listed, or to move."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notices, "AT_ONCE", 1)
        patch.setattr(notices, "LISTED", 1)
        patch.setattr(closure, "LISTED_PROJECTS", 1)
        patch.setattr(bindings, "LISTED_PROJECTS", 1)
        patch.setattr(bindings, "MOST_PROJECTS", 3)
        yield


def _one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


# Most of it happens in one organization; some ids come again, and now and then nobody asks, or the other of two.
ORGANIZATION = st.sampled_from((*ORGANIZATIONS[:1] * 8, *ORGANIZATIONS))
SENDERS = st.sampled_from(
    (
        *({},) * 8,
        *({"authid": "bob"},) * 5,
        {"authid": None},
        {"expirytime": "2020-01-01T00:00:00Z"},
        {"id": "c-1"},
        {"id": "c-2"},
        {"id": "c-2", "authid": "bob"},
    )
)


def _say(name: str, optional: dict[str, st.SearchStrategy[Any]] | None = None, **members: Any) -> Any:
    data = st.fixed_dictionaries({"organization": ORGANIZATION, **members}, optional=optional or {})
    return st.tuples(st.just(name), data, st.just({}) if name.endswith("Changed") else SENDERS)


ACCOUNT, PROJECT, PROFILE = _one_of(*ACCOUNTS), _one_of(*PROJECTS), _one_of(*PROFILES)
VERSION = st.integers(1, 6)
DRY = {"dryRun": _one_of(False, False, True)}
REASON = _one_of("PaymentFailure", "Administrative", "Whim")
REASONS = {"reasons": _one_of(None, ["PaymentFailure"], ["Administrative", "PaymentFailure"], []), **DRY}


def _instant(seconds: int) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


SOON = _one_of(*map(_instant, (-5, 5, 15, 40)))
TERMS = _one_of(None, {}, {"netDays": 60}, {"netDays": None, "invoiceFrequency": "Annual"}, {"netDays": 0})

binding = _say("BindProject", {"expectedAccount": _one_of(None, *ACCOUNTS), **DRY}, project=PROJECT, account=ACCOUNT)
scheduling = _say("BindProject", DRY, project=PROJECT, account=ACCOUNT, effectiveAt=SOON)
waiting = _say("BindProject", DRY, project=PROJECT, account=ACCOUNT, waitSeconds=_one_of(5, 20))
project_fact = _say(
    "ProjectChanged",
    {"uid": _one_of("u-1", "u-2", "u-3")},
    project=PROJECT,
    state=_one_of("Active", "Active", "Inactive", "Deleted"),
    version=VERSION,
)
profile_fact = _say(
    "PaymentProfileChanged",
    {"expiresAt": SOON},
    paymentProfile=PROFILE,
    kind=_one_of("CreditCard", "CreditCard", "CreditCard", "Invoice"),
    state=_one_of("Valid", "Valid", "Valid", "Invalid", "Invalid", "Removed"),
    version=VERSION,
)
suspension = _say("SuspendAccount", DRY, account=ACCOUNT, reason=REASON)
request = _say("RequestReactivation", REASONS, account=ACCOUNT, resolution=st.just("paid"))
approval = _say("ApproveReactivation", REASONS, account=ACCOUNT)
transfer = _say(
    "TransferProjects",
    {"projects": _one_of(["p1"], ["p2", "p1"], ["p1", "p2", "p3", "p4"]), **DRY},
    fromAccount=ACCOUNT,
    toAccount=ACCOUNT,
)
later = st.tuples(st.just("Later"), st.fixed_dictionaries({"seconds": _one_of(0, 1, 10, 30)}), st.just({}))
messages = st.one_of(
    *(binding, scheduling, waiting, project_fact, profile_fact, suspension, transfer, later) * 2,
    request,
    approval,
    _say(
        "CreateAccount",
        {"paymentProfile": PROFILE, "contact": st.just(CONTACT), **DRY},
        account=ACCOUNT,
        currencyCode=st.just("USD"),
        paymentTerms=st.just({}),
    ),
    _say("CreateAccount", account=ACCOUNT),
    _say(
        "UpdateAccount",
        {
            "displayName": _one_of(None, "Lab"),
            "currencyCode": _one_of(None, "USD", "CHF"),
            "paymentTerms": TERMS,
            "contact": _one_of(None, CONTACT, CONTACT | {"name": "Bea"}),
            "expectedVersion": VERSION,
            **DRY,
        },
        account=ACCOUNT,
    ),
    _say("AttachPaymentProfile", DRY, account=ACCOUNT, paymentProfile=PROFILE),
    _say("DetachPaymentProfile", DRY, account=ACCOUNT),
    _say(
        "ReportBalance",
        DRY,
        account=ACCOUNT,
        outstanding=_one_of("0", "0", "12.50"),
        currencyCode=st.just("USD"),
        asOf=SOON,
    ),
    _say("RequestClosure", DRY, account=ACCOUNT),
    _say("ApproveClosure", DRY, account=ACCOUNT),
    _say("WithdrawClosure", DRY, account=ACCOUNT),
    _say("CancelScheduledBinding", DRY, project=PROJECT),
    _say("SetDefaultAccount", DRY, account=_one_of(None, *ACCOUNTS)),
    st.just(("Dead", {}, {})),
)


def _is_ready(*accounts: str) -> list[Said]:
    profile = {"paymentProfile": "card-1", "kind": "CreditCard", "state": "Valid", "version": 1}
    return [
        ("PaymentProfileChanged", profile, {}),
        *(("CreateAccount", {"account": account, **READY}, {}) for account in accounts),
    ]


def _is_active(*projects: str) -> list[Said]:
    report = {"state": "Active", "version": 1, "uid": "u-1"}
    return [("ProjectChanged", {"project": project, **report}, {}) for project in projects]


def _bind(project: str, account: str, **members: Any) -> Said:
    return ("BindProject", {"project": project, "account": account, **members}, {})


def _of(name: str, by: str = "alice", **members: Any) -> Said:
    return (name, {"account": "a", **members}, {"authid": by})


def _later(seconds: int) -> Said:
    return ("Later", {"seconds": seconds}, {})


def _p1(state: str, version: int, uid: str) -> Said:
    return ("ProjectChanged", {"project": "p1", "state": state, "version": version, "uid": uid}, {})


# What most stories begin with: two Ready accounts and Active projects, some of them bound.
OPENING: list[Said] = [*_is_ready("a", "b"), *_is_active("p1", "p2"), _bind("p1", "a")]
CROWD: list[Said] = [
    *_is_ready("a", "b"), *_is_active("p1", "p2", "p3", "p4"), *(_bind(project, "a") for project in PROJECTS),
]  # fmt: skip
# Chance rarely tells these. A successor under the name, the old uid again, a deletion, and a life after it.
SUCCESSION: list[Said] = [
    *OPENING,
    _p1("Active", 1, "u-2"),
    _p1("Active", 9, "u-1"),
    _bind("p1", "b"),
    _p1("Deleted", 2, "u-2"),
    _p1("Active", 3, "u-2"),
    _bind("p1", "a"),
    ("AttachPaymentProfile", {"account": "a", "paymentProfile": "card-2"}, {}),
]
# The deletion of a stranger is stale; after that of the present one it would be news.
STRANGER: list[Said] = [*OPENING, _p1("Deleted", 5, "u-2"), _p1("Deleted", 2, "u-1")]
# Many are told by and by: some leave before, and the account turns again.
FANNED_OUT: list[Said] = [
    *CROWD,
    _of("SuspendAccount", reason="PaymentFailure"),
    _bind("p4", "b"),
    ("TransferProjects", {"fromAccount": "a", "toAccount": "b", "projects": ["p2"]}, {}),
    _of("RequestReactivation", resolution="paid"),
    _of("ApproveReactivation", by="bob"),
    _bind("p4", "a"),
    _bind("p3", "b"),
    _bind("p3", "a"),
    _bind("p3", "b"),
    _later(1),
    _of("DetachPaymentProfile"),
    ("ProjectChanged", {"project": "p1", "state": "Deleted", "version": 2}, {}),
    _of("SuspendAccount", reason="Administrative"),
]
# A few are left to be told of a later turn, before they were told of the first.
FEW_LEFT: list[Said] = [
    *CROWD,
    _of("SuspendAccount", reason="PaymentFailure"),
    ("TransferProjects", {"fromAccount": "a", "toAccount": "b", "projects": ["p1", "p2", "p3"]}, {}),
    _of("RequestReactivation", resolution="paid"),
    _of("ApproveReactivation", by="bob"),
]
# An account is closed by two people, once nothing blocks it, and the default goes with it.
CLOSED: list[Said] = [
    *CROWD,
    _of("SetDefaultAccount"),
    _of("RequestClosure"),
    ("TransferProjects", {"fromAccount": "a", "toAccount": "b"}, {}),
    ("TransferProjects", {"fromAccount": "a", "toAccount": "b", "projects": ["p1"]}, {}),
    ("TransferProjects", {"fromAccount": "a", "toAccount": "b"}, {}),
    _of("ReportBalance", outstanding="0", currencyCode="USD", asOf=_instant(-5)),
    _of("RequestClosure"),
    _of("ReportBalance", outstanding="0", currencyCode="USD", asOf=_instant(1)),
    _of("RequestClosure"),
    _of("ApproveClosure"),
    _of("ApproveClosure", by="bob"),
    _of("UpdateAccount", contact=None),
    _bind("p1", "a", waitSeconds=20),
]
# A contact is kept apart from its account, and a change of it is one of the account.
CONTACTS: list[Said] = [
    *_is_ready("b"),
    ("CreateAccount", {"account": "a", "contact": CONTACT}, {}),
    *(_of("UpdateAccount", contact=contact) for contact in (CONTACT, {**CONTACT, "name": "Bea"}, None, None)),
]
# What waits, in a queue, is served once the last that is missing has come; what is due comes between.
SERVED: list[Said] = [
    _bind("p1", "a", waitSeconds=20),
    _bind("p1", "b", effectiveAt=_instant(40)),
    _bind("p1", "b"),
    *_is_ready("b", "a"),
    _later(10),
    ("SetDefaultAccount", {"account": "b"}, {}),
    *_is_active("p1", "p2"),
    _bind("p2", "a", effectiveAt=_instant(15)),
    ("PaymentProfileChanged", {"paymentProfile": "card-1", "kind": "CreditCard", "state": "Valid", "version": 2,
                               "expiresAt": _instant(40)}, {}),
    _later(10),
    _bind("p3", "a", waitSeconds=5),
    _later(30),
    *_is_active("p3"),
]  # fmt: skip
stories = st.builds(
    lambda opening, rest: [*opening, *rest],
    st.sampled_from((OPENING, CROWD, CROWD, [])),
    st.lists(messages, min_size=1, max_size=25),
)
cuttings = st.sets(st.integers(1, 36))


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


def _chapters(story: list[Said]) -> list[tuple[datetime, list[Message]]]:
    """Cut a story where time passes: each chapter's instant, and what is said then."""
    now = NOON
    chapters: list[tuple[datetime, list[Message]]] = [(now, [])]
    for number, said in enumerate(story):
        if said[0] == "Later":
            now += timedelta(seconds=said[1]["seconds"])
            chapters.append((now, []))
        else:
            chapters[-1][1].append(_read(number, said))
    return [*chapters, (now + timedelta(hours=2), [])]


def _cut(messages: Sequence[Message], cuts: set[int]) -> Iterator[list[Message]]:
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(messages)), len(messages)]
    return (list(messages[begin:end]) for begin, end in itertools.pairwise(edges) if begin < end)


def _each(messages: Iterable[Message]) -> list[list[Message]]:
    return [[message] for message in messages]


def _act(kept: Kept, now: datetime, cuts: set[int]) -> list[list[Outgoing]]:
    """Do what is due as the timers do, until nothing is: each page of a fan-out in a batch of its own."""
    out: list[list[Outgoing]] = []
    while found := kept.due(now):
        assert len(out) < 200, "what is due is done"
        others: list[Message] = [one for one in found if one.kind is not DueKind.FAN_OUT]
        fan_outs: list[Message] = [one for one in found if one.kind is DueKind.FAN_OUT]
        out += [kept.batch(batch, now, POLICY) for batch in [*_cut(others, cuts), *_each(fan_outs)]]
    return out


def _kept(story: list[Said], cuts: set[int]) -> Kept:
    kept = Kept()
    for now, said in _chapters(story):
        _act(kept, now, cuts)
        for batch in _cut(said, cuts):
            kept.batch(batch, now, POLICY)
    return kept


EACH = set(range(60))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories, cuts=cuttings)
@example(story=SUCCESSION, cuts={7, 9})
@example(story=FANNED_OUT, cuts={3, 12})
@example(story=FEW_LEFT, cuts={3, 14})
@example(story=STRANGER, cuts={7})
@example(story=CLOSED, cuts={3, 12})
@example(story=CONTACTS, cuts={3, 5})
@example(story=SERVED, cuts={2, 3})
def test_any_batching_gives_the_same_result(story: list[Said], cuts: set[int]) -> None:
    as_one = _kept(story, set())
    one_by_one = _kept(story, EACH)
    in_parts = _kept(story, cuts)
    assert one_by_one == as_one
    assert in_parts == as_one


def _with_first_uids(story: list[Said]) -> list[Said]:
    """Give the story, in which every project is known with a uid from the first; later reports may leave it out."""
    known = set()
    told = []
    for name, data, more in story:
        key = (data.get("organization", "acme"), data.get("project"))
        is_first = name == "ProjectChanged" and key not in known
        known |= {key} if is_first else set()
        told.append((name, {"uid": "u-1"} | data if is_first else data, more))
    return told


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories, cuts=cuttings)
@example(story=SUCCESSION, cuts={7, 9})
@example(story=FANNED_OUT, cuts={3, 12})
@example(story=FEW_LEFT, cuts={3, 14})
@example(story=STRANGER, cuts={7})
@example(story=CLOSED, cuts={3, 12})
@example(story=SERVED, cuts={2, 3})
def test_what_comes_again_changes_nothing(story: list[Said], cuts: set[int]) -> None:
    """All is delivered again in other batches; what only its place tells is left out before the fold.

    What was due, and is done, may be found due by a second worker as well.
    """
    story = _with_first_uids(story)
    kept = Kept()
    done: list[Message] = []
    for now, said in _chapters(story):
        done += kept.due(now)
        _act(kept, now, set())
        kept.batch(said, now, POLICY)
    before = replace(deepcopy(kept), counts={})
    places = {handled.place for handled in kept.handled}
    again = [
        message
        for _, said in _chapters(story)
        for message in said
        if not isinstance(message, Due) and message.record.place not in places
    ]
    for batch in [*_cut(again, cuts), *_cut(done, cuts)]:
        assert kept.batch(batch, now, POLICY) == []
    assert replace(kept, counts={}) == before


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories, steps=st.lists(st.integers(-3, 3), min_size=36, max_size=36))
@example(story=SUCCESSION, steps=[0, 1, -1, -2, 3, 0, -3, 1, 0, -1, 0, 2, -3])
@example(story=FANNED_OUT, steps=[0, 1, -1, -2, 3, 0, -3, 1, 0, -1, 0, 2, -3] * 2)
@example(story=FEW_LEFT, steps=[0] * 36)
@example(story=CLOSED, steps=[0] * 36)
@example(story=SERVED, steps=[0] * 36)
def test_what_goes_out_keeps_the_promises(story: list[Said], steps: list[int]) -> None:
    """The clock steps forth and back; where it would not rise, the shard goes on from its last instant."""
    kept = Kept()
    out: list[Outgoing] = []
    behind = itertools.chain(steps, itertools.repeat(0))
    for chapter, said in _chapters(story):
        out += itertools.chain.from_iterable(_act(kept, max(chapter, kept.after_last), EACH))
        for message in said:
            now = max(chapter + timedelta(seconds=next(behind)), kept.after_last)
            told = kept.batch([message], now, POLICY)
            check_single(told)
            out += told
    check_promises(out, kept)


COUNTED = ("Applied", "Unchanged", "Scheduled", "Waiting", "Rejected")
TOLD = {
    "succession": (SUCCESSION, (6, 0, 0, 0, 0)),
    "fanned out": (FANNED_OUT, (17, 0, 0, 0, 0)),
    "few left": (FEW_LEFT, (10, 0, 0, 0, 0)),
    "stranger": (STRANGER, (3, 0, 0, 0, 0)),
    "closed": (CLOSED, (13, 1, 0, 0, 5)),
    "contacts": (CONTACTS, (4, 2, 0, 0, 0)),
    "served": (SERVED, (6, 0, 1, 4, 2)),
}


@pytest.mark.parametrize(("story", "outcomes"), TOLD.values(), ids=TOLD)
def test_the_stories_are_worth_telling(story: list[Said], outcomes: tuple[int, ...]) -> None:
    """They are about what they say, so that not all is refused."""
    assert tuple(_kept(story, EACH).counts.get(outcome, 0) for outcome in COUNTED) == outcomes


def test_the_opening_leads_to_a_binding() -> None:
    kept = _kept(OPENING, set())
    assert [binding.account for binding in kept.active()] == ["a"]
    assert kept.counts == {"stale": 0, "repeated": 0, "dead": 0, "Applied": 3}
