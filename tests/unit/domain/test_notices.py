"""What projects are told of their payer: each bound one, once (docs/contract.md section 4)."""

from collections.abc import Callable

import pytest

from schemas.events import AccountPhaseChanged, ProjectBillingNotice
from tests.unit.domain.building import Desk, Said, bound_desk

Step = Callable[[Desk], Said]


def _told(kind: str) -> list[tuple[str, str]]:
    return [("p1", kind), ("p2", kind)]


def _desk() -> Desk:
    """Return a desk at which a pays for p1 and p2, and b for p3, which a paid for before."""
    desk = bound_desk()
    desk.project(project="p3")
    for project, account in (("p2", "a"), ("p3", "a"), ("p3", "b")):
        desk.bind(project, account)
    desk.attach("card-b", "b")  # a's card is a's alone
    return desk


def suspended(desk: Desk) -> Said:
    return desk.suspend()


def no_card(desk: Desk) -> Said:
    return desk.attach("card-9")


def card_again(desk: Desk) -> Said:
    return desk.attach("card-1")


def declined(desk: Desk) -> Said:
    return desk.profile("Invalid", 2)


def second_hold(desk: Desk) -> Said:
    return desk.suspend(reason="Administrative")


# Steps taken before | the step | what each bound project is told.
STORIES: list[tuple[list[Step], Step, str | None]] = [
    ([], suspended, "AccountSuspended"),
    ([], no_card, "AccountNotReady"),
    ([], declined, "AccountNotReady"),
    ([no_card], card_again, "AccountReady"),
    ([no_card], suspended, "AccountSuspended"),
    ([suspended], second_hold, None),
    ([suspended], no_card, None),
    ([suspended], declined, None),
    ([declined], no_card, None),
]


@pytest.mark.parametrize(("before", "step", "kind"), STORIES)
def test_each_bound_project_is_told_once(before: list[Step], step: Step, kind: str | None) -> None:
    desk = _desk()
    for earlier in before:
        earlier(desk)
    said = step(desk)
    assert said.notices == (_told(kind) if kind else [])
    if kind:
        (phase,) = said.outgoing_of(AccountPhaseChanged)
        assert isinstance(phase.event, AccountPhaseChanged)
        for one in said.outgoing_of(ProjectBillingNotice):
            assert isinstance(one.event, ProjectBillingNotice)
            assert (one.event.account, one.event.reason) == ("a", phase.event.reason)
            assert one.event.message == phase.event.message
            assert (one.subject, one.key) == (f"acme/{one.event.project}", f"acme/{one.event.project}".encode())
            assert one.time > phase.time
            assert one.sequence is None


def test_what_was_released_is_not_told() -> None:
    desk = _desk()
    desk.project("Deleted", 2, "p2")
    assert desk.suspend().notices == [("p1", "AccountSuspended")]


def test_an_inactive_project_is_told_too() -> None:
    desk = _desk()
    desk.project("Inactive", 2, "p2")
    assert desk.suspend().notices == _told("AccountSuspended")


def test_creation_tells_nobody() -> None:
    desk = bound_desk()
    assert desk.create("c", currencyCode="USD", paymentTerms={}, paymentProfile="card-1").notices == []
