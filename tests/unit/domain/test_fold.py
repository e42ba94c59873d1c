"""The fold as a property: any batching gives the same result, and what goes out keeps the promises.

docs/contract.md sections 5, 7 and 8. A story goes on in time, and what is due by then happens between its batches.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain import bindings, closure, notices
from domain.messages import Due, Message
from schemas.outgoing import Outgoing
from tests.support.copying import copied
from tests.support.properties import examples
from tests.unit.domain.batching import EACH, POLICY, act, batches, chapters, kept_of
from tests.unit.domain.kept import Kept
from tests.unit.domain.promises import check_promises, check_single
from tests.unit.domain.stories import (
    CLOSED,
    CONTACTS,
    DUE_FIRST,
    FANNED_OUT,
    FEW_LEFT,
    OPENING,
    SERVED,
    STRANGER,
    SUCCESSION,
    Said,
)
from tests.unit.domain.stories_by_chance import cuttings, stories


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


@settings(max_examples=examples(250), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories, cuts=cuttings)
@example(story=SUCCESSION, cuts={7, 9})
@example(story=FANNED_OUT, cuts={3, 12})
@example(story=FEW_LEFT, cuts={3, 14})
@example(story=STRANGER, cuts={7})
@example(story=CLOSED, cuts={3, 12})
@example(story=CONTACTS, cuts={3, 5})
@example(story=SERVED, cuts={2, 3})
def test_any_batching_gives_the_same_result(story: list[Said], cuts: set[int]) -> None:
    as_one = kept_of(story, set())
    one_by_one = kept_of(story, EACH)
    in_parts = kept_of(story, cuts)
    assert one_by_one == as_one
    assert in_parts == as_one


@settings(max_examples=examples(250), deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
    for now, said in chapters(story):
        done += kept.due(now)
        act(kept, now, set())
        kept.batch(said, now, POLICY)
    before = replace(copied(kept), counts={})
    places = {handled.place for handled in kept.handled}
    again = [
        message
        for _, said in chapters(story)
        for message in said
        if not isinstance(message, Due) and message.record.place not in places
    ]
    for batch in [*batches(again, cuts), *batches(done, cuts)]:
        assert kept.batch(batch, now, POLICY) == []
    assert replace(kept, counts={}) == before


def _with_first_uids(story: list[Said]) -> list[Said]:
    """Return the story, in which every project is known with a uid from the first; later reports may leave it out."""
    known = set()
    told = []
    for name, data, more in story:
        key = (data.get("organization", "acme"), data.get("project"))
        is_first = name == "ProjectChanged" and key not in known
        known |= {key} if is_first else set()
        told.append((name, {"uid": "u-1"} | data if is_first else data, more))
    return told


@settings(max_examples=examples(250), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories, steps=st.lists(st.integers(-3, 3), min_size=36, max_size=36))
@example(story=SUCCESSION, steps=[0, 1, -1, -2, 3, 0, -3, 1, 0, -1, 0, 2, -3])
@example(story=FANNED_OUT, steps=[0, 1, -1, -2, 3, 0, -3, 1, 0, -1, 0, 2, -3] * 2)
@example(story=FEW_LEFT, steps=[0] * 36)
@example(story=CLOSED, steps=[0] * 36)
@example(story=SERVED, steps=[0] * 36)
@example(story=DUE_FIRST, steps=[0] * 7 + [3])
def test_what_goes_out_keeps_the_promises(story: list[Said], steps: list[int]) -> None:
    """The clock steps forth and back; where it would not rise, the shard goes on from its last instant."""
    kept = Kept()
    out: list[Outgoing] = []
    behind = itertools.chain(steps, itertools.repeat(0))
    for chapter, said in chapters(story):
        out += itertools.chain.from_iterable(act(kept, max(chapter, kept.after_last), EACH))
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
    assert tuple(kept_of(story, EACH).counts.get(outcome, 0) for outcome in COUNTED) == outcomes


def test_the_opening_leads_to_a_binding() -> None:
    kept = kept_of(OPENING, set())
    assert [project.account for project in kept.projects.values() if project.account] == ["a"]
    assert kept.counts == {"stale": 0, "repeated": 0, "dead": 0, "Applied": 3}
