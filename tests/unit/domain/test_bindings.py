"""Who pays from when to when: chains that touch, and never overlap (docs/contract.md sections 5 and 7)."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from domain.state import Binding
from schemas.events import BindingChanged
from schemas.outgoing import Outgoing
from tests.unit.domain.building import MICROSECOND, NOON, READY, Desk, Said, bound_desk, ready_desk

SECOND = timedelta(seconds=1)


def _timeline(desk: Desk, project: str = "p1") -> list[Binding]:
    bindings = [binding for binding in desk.book.changed.bindings.values() if binding.project == project]
    return sorted(bindings, key=lambda binding: binding.number)


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
    assert (old.ended_at, old.released, new.ended_at, new.previous_ended_at) == (desk.now, False, None, desk.now)


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
    assert [binding.established_at for binding in timeline] == instants
    assert [binding.ended_at for binding in timeline] == [*instants[1:], None]
    assert [binding.previous_ended_at for binding in timeline] == [None, *instants[1:]]
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
    binding = desk.book.active_binding("acme", "p1")
    said = desk.bind()
    assert binding is not None
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
    (binding,) = _timeline(desk)
    assert (binding.ended_at, binding.released) == (desk.now, True)


def test_release_when_the_clock_stepped_back() -> None:
    desk = bound_desk()
    last = desk.last
    assert _timeline(desk)[0].established_at < last
    desk.now -= timedelta(days=1)
    said = desk.project("Deleted", 2)
    assert said.outgoing[0].time == last + MICROSECOND
    assert _timeline(desk)[0].ended_at == last + MICROSECOND


def test_the_counters_go_on_when_the_name_is_used_again() -> None:
    desk = bound_desk()
    desk.project("Deleted", 2)
    desk.project("Active", 3)
    said = desk.bind(account="b")
    assert (said.binding.change, said.binding.previous) == ("Bound", None)
    assert said.outgoing[0].sequence == 3
    released, bound = _timeline(desk)
    assert (bound.number, bound.previous_ended_at) == (2, released.ended_at)
    assert released.ended_at is not None
    assert released.ended_at < bound.established_at


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
