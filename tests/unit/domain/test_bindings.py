"""Who pays from when to when: chains that touch, and never overlap (docs/contract.md sections 5 and 7)."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from domain.bound_projects import BoundProjects
from domain.state import Binding
from schemas.events import BindingChanged
from schemas.outgoing import Outgoing
from tests.unit.domain.building import MICROSECOND, NOON, READY, Desk, Said, bound_desk, ready_desk

SECOND = timedelta(seconds=1)


def _timeline(desk: Desk, project: str = "p1") -> list[Binding]:
    return [binding for binding in desk.book.changed.bindings if binding.project == project]


def _events(outgoing: list[Outgoing]) -> list[BindingChanged]:
    return [one.event for one in outgoing if isinstance(one.event, BindingChanged)]


def test_the_first_payer() -> None:
    desk = ready_desk()
    desk.now += SECOND
    terms = {"earlyPaymentDiscount": {"percent": "2.50", "withinDays": 10}}
    desk.create("c", currencyCode="CHF", paymentTerms=terms, paymentProfile="card-1")
    desk.now += SECOND
    said = desk.command("BindProject", {"id": "first", "authid": "erin"}, project="p1", account="c", reason="new lab")
    event, (envelope,) = said.binding, said.outgoing_of(BindingChanged)
    assert (event.organization, event.project, event.change, event.previous) == ("acme", "p1", "Bound", None)
    assert event.current is not None
    assert event.current.binding_id == said.result.binding_id
    assert (event.current.account, event.current.established_at) == ("c", desk.now)
    assert event.current.currency_code == "CHF"
    assert event.current.payment_terms is not None
    assert event.current.payment_terms.early_payment_discount is not None
    assert event.current.payment_terms.early_payment_discount.percent == Decimal("2.5")
    assert (event.cause.command_id, event.cause.by, event.cause.reason) == ("first", "erin", "new lab")
    assert (envelope.subject, envelope.key, envelope.boundary) == ("acme/p1", b"acme/p1", "acme")
    assert (envelope.time, envelope.sequence) == (desk.now, 1)
    assert (envelope.causation_id, envelope.sender) == ("first", "erin")


def test_another_payer_takes_over_at_one_instant() -> None:
    desk = bound_desk()
    desk.now += SECOND
    said = desk.bind(account="b")
    event = said.binding
    assert event.change == "Superseded"
    assert event.current is not None
    assert event.previous is not None
    assert (event.previous.account, event.current.account) == ("a", "b")
    assert event.previous.ended_at == event.current.established_at == desk.now
    assert said.outgoing_of(BindingChanged)[0].time == desk.now
    assert event.previous.binding_id != event.current.binding_id
    old, new = _timeline(desk)
    assert (old.number, old.account, new.number, new.account, new.from_instant) == (1, "a", 2, "b", desk.now)
    assert (event.previous.binding_id, event.current.binding_id) == (old.binding_id, new.binding_id)


def test_a_hundred_moves_touch_and_rise_whatever_the_clock_does() -> None:
    desk = ready_desk()
    outgoing: list[Outgoing] = []
    for move in range(100):
        desk.now = NOON + timedelta(seconds=(move * 37) % 11 - 5)  # forth and back
        outgoing += desk.bind(account="ab"[move % 2]).outgoing_of(BindingChanged)
    assert [one.sequence for one in outgoing] == list(range(1, 101))
    instants = [one.time for one in outgoing]
    assert all(earlier < later for earlier, later in itertools.pairwise(instants))
    timeline = _timeline(desk)
    assert [binding.number for binding in timeline] == list(range(1, 101))
    assert [binding.from_instant for binding in timeline] == instants
    assert len({binding.binding_id for binding in timeline}) == 100
    for earlier, later in zip(_events(outgoing), _events(outgoing)[1:], strict=False):
        assert earlier.current is not None
        assert later.previous is not None
        for member in ("binding_id", "account", "established_at"):
            assert getattr(later.previous, member) == getattr(earlier.current, member)


def test_a_clock_that_stands_still_moves_by_a_microsecond() -> None:
    desk = ready_desk()
    desk.now += SECOND
    instants: list[datetime] = [desk.bind(account="ab"[move % 2]).outgoing[0].time for move in range(3)]
    # In between each command's result has an instant of its own.
    assert instants == [desk.now, desk.now + 2 * MICROSECOND, desk.now + 4 * MICROSECOND]


def test_the_payer_again_is_no_change() -> None:
    desk = bound_desk()
    before = desk.memory()
    (binding,) = _timeline(desk)
    said = desk.bind()
    assert (said.outcome, said.told, said.result.binding_id) == ("Unchanged", [], binding.binding_id)
    assert {name: value for name, value in desk.memory().items() if name != "answered"} == {
        name: value for name, value in before.items() if name != "answered"
    }


def test_deletion_releases_the_payer() -> None:
    desk = bound_desk()
    desk.now += SECOND
    said = desk.project("Deleted", 2, uid="u-1")
    event, (envelope,) = said.binding, said.outgoing
    assert (event.change, event.current) == ("Released", None)
    assert event.previous is not None
    assert (event.previous.account, event.previous.ended_at) == ("a", desk.now)
    assert (event.cause.reason, event.cause.by, event.cause.command_id) == ("ProjectDeleted", "/rm", None)
    assert (envelope.time, envelope.sequence, envelope.sender) == (desk.now, 2, "/rm")
    assert desk.payer() is None
    _, released = _timeline(desk)
    assert (released.number, released.account, released.from_instant) == (2, None, desk.now)


def test_release_when_the_clock_stepped_back() -> None:
    desk = bound_desk()
    last = desk.last
    assert _timeline(desk)[0].from_instant < last
    desk.now -= timedelta(days=1)
    said = desk.project("Deleted", 2)
    assert said.outgoing[0].time == last + MICROSECOND
    assert _timeline(desk)[1].from_instant == last + MICROSECOND


@pytest.mark.parametrize(
    ("account", "before", "payer"),
    (
        ("a", {}, "a"),
        (None, {}, None),
        ("a", {"SuspendAccount": {"account": "a", "reason": "Administrative"}}, None),
        ("c", {}, None),
        ("closing", {"RequestClosure": {"account": "closing"}}, None),
    ),
)
def test_the_default_account_pays_where_it_can(
    account: str | None, before: dict[str, dict[str, str]], payer: str | None
) -> None:
    desk = ready_desk()
    desk.create("c")
    desk.create("closing", **READY)
    balance = {"account": "closing", "outstanding": "0", "currencyCode": "USD", "asOf": (NOON + SECOND).isoformat()}
    desk.command("ReportBalance", {}, **balance)
    assert desk.command("SetDefaultAccount", account=account).reasons == []
    for name, members in before.items():
        assert desk.command(name, {}, **members).outcome == "Applied"
    said = desk.project(project="p9")
    assert (desk.payer("p9"), said.notices) == (payer, [] if payer else [("p9", "PayerMissing")])
    if payer:
        assert (said.binding.change, said.binding.cause.by) == ("Bound", "system:default-account")


def test_the_counters_go_on_when_the_name_is_used_again() -> None:
    desk = bound_desk()
    desk.project("Deleted", 2)
    desk.project("Active", 3)
    said = desk.bind(account="b")
    assert (said.binding.change, said.binding.previous) == ("Bound", None)
    assert said.outgoing[0].sequence == 3
    _, released, bound = _timeline(desk)
    assert (released.number, released.account, bound.number, bound.account) == (2, None, 3, "b")
    assert released.from_instant < bound.from_instant


def test_an_id_names_the_place_of_a_binding() -> None:
    """For ever: consumers keep it."""
    desk = bound_desk()
    assert desk.bind(account="b").result.binding_id == "acme/p1/2"
    desk.project("Deleted", 2)
    desk.project("Active", 3)
    assert desk.bind(account="b").result.binding_id == "acme/p1/4"


def test_a_binding_from_before_keeps_the_id_that_was_published() -> None:
    desk = ready_desk()
    project = desk.book.project("acme", "p1")
    assert project is not None
    published = "7d444840-9dc0-5a1e-b245-5ffdce74fad2"
    desk.book.load([replace(project, number=3, account="a", payer_since=NOON, legacy_id=published)])
    assert desk.bind(account="a").result.binding_id == published
    event = desk.bind(account="b").binding
    assert event.previous is not None
    assert event.current is not None
    assert (event.previous.binding_id, event.current.binding_id) == (published, "acme/p1/4")
    event = desk.bind(account="a").binding
    assert event.previous is not None
    assert event.previous.binding_id == "acme/p1/4"


def test_two_projects_swap_their_payers() -> None:
    desk = bound_desk()
    desk.bind("p2", "b")
    desk.bind("p1", "b")
    desk.bind("p2", "a")
    assert (desk.payer("p1"), desk.payer("p2")) == ("b", "a")


def test_bindings_survive_every_phase() -> None:
    desk = bound_desk()
    changes: list[Callable[[], Said]] = [
        desk.suspend,
        lambda: desk.profile("Removed", 2),
        lambda: desk.attach("card-9"),
    ]
    for change in changes:
        change()
        assert desk.payer() == "a"
        assert desk.bind("p2").reasons == ["AccountNotReady"]


def test_organizations_do_not_meet() -> None:
    desk = bound_desk()
    desk.profile(organization="beta")
    desk.create("a", organization="beta", **READY)
    desk.project(organization="beta")
    said = desk.bind(organization="beta")
    assert said.outgoing[0].sequence == 1
    assert desk.bind("p2", organization="beta").reasons == ["ProjectNotFound"]
    assert desk.bind("p1", "b", organization="beta").reasons == ["AccountNotFound"]
    ids = {binding.binding_id for binding in _timeline(desk)}
    assert len(ids) == 2


@pytest.mark.parametrize("name", ("p2", "ghost"))
def test_a_project_that_only_seems_to_be_paid_for_is_not_moved(name: str) -> None:
    """What an account pays for is counted apart from the projects: where the two differ, nothing is decided."""
    desk = bound_desk()
    desk.book.look_up(projects={("acme", "ghost")})
    desk.book.load_bound(("acme", "a"), BoundProjects(2, sorted(("p1", name))))
    with pytest.raises(LookupError, match=f"a bound project is not loaded: acme/{name}"):
        desk.command("TransferProjects", fromAccount="a", toAccount="b")
    assert desk.payer() == "a"
