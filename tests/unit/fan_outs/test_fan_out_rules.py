"""Told page by page, every project hears in the same order what it would have heard had all been told at once."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.properties import examples
from tests.support.saying import account, bind, profile, project, reactivate, suspend
from tests.unit.fan_outs.memory import Organization
from tests.unit.fan_outs.moves import ACCOUNTS, Story, opening


@settings(max_examples=examples(150), deadline=None)
@given(
    chance=st.randoms(use_true_random=False),
    at_once=st.integers(0, 4),
    page=st.integers(1, 4),
    moves=st.integers(1, 40),
    pages_per_move=st.integers(0, 2),
)
def test_pages_and_moves_in_any_order(chance: Random, at_once: int, page: int, moves: int, pages_per_move: int) -> None:
    paged, inline = Organization(at_once, page), Organization()
    story = Story(chance)
    for organization in (paged, inline):
        for record in opening():
            organization.hear(record)
    for _ in range(moves):
        said = story.move()
        for organization in (paged, inline):
            organization.hear(*said)
        for _ in range(chance.randint(0, pages_per_move)):
            paged.go_on(chance.choice(ACCOUNTS))
    paged.finish()
    assert paged.told() == inline.told()
    assert paged.counts() == inline.counts()


@pytest.mark.parametrize("count", (3, 4, 5, 120))
def test_the_result_counts_and_lists_what_is_told_later(count: int) -> None:
    names = [f"p{number:03}" for number in range(count)]
    organization = Organization(at_once=4, page=2)
    organization.hear(profile())
    organization.hear(*map(project, names))
    organization.hear(account("a"), *(bind(name, "a", name) for name in reversed(names)), suspend("a", "stop"))
    *_, (command_id, outcome, event_count, listed) = organization.counts()
    assert (command_id, outcome, event_count) == ("stop", "Applied", 2 + count)
    events = ["io.milo.billing.AccountPhaseChanged.v1 acme/a", "io.milo.billing.AccountChanged.v1 acme/a"]
    notices = [f"io.milo.billing.ProjectBillingNotice.v1 acme/{name}" for name in names]
    assert list(listed) == (events + notices)[:100]
    organization.finish()
    told = [one.subject for one in organization.outgoing if one.topic == "notices"][-count:]
    assert told == [f"acme/{name}" for name in names]


def test_few_that_are_left_hear_of_the_later_turn_later() -> None:
    names = [f"p{number}" for number in range(6)]
    organization = Organization(at_once=4, page=2)
    for record in (
        profile(),
        account("a"),
        account("b"),
        *map(project, names),
        *(bind(name, "a", name) for name in names),
    ):
        organization.hear(record)
    organization.hear(suspend("a", "stop"))
    organization.hear(*(bind(name, "b", f"away-{name}") for name in names[:3]))
    organization.hear(*reactivate("a", "go"))
    organization.finish()
    for name in names:
        kinds = [kind for kind, _, _ in organization.told()[name]]
        last = "Superseded" if name in names[:3] else "AccountReady"
        assert kinds == ["PayerMissing", "Bound", "AccountSuspended", last]
