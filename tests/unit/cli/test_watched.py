"""What `whopays top` makes of several looks: how fast things go, and for how long a slot is in the same hands."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.operating.standing import Section, Standing, Verdict
from cli.operating.watched import Watched, _told_or_away
from db.at_work import Slot, Totals
from schemas.topics import INPUT_TOPICS, Topic
from workers.runtime.settings import Settings

_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def watched() -> Watched:
    return Watched(Settings(topic_prefix="t.", installation="here"), [], 1.0)


def _totals(seconds: float, decided: int, events: int, published: int) -> Totals:
    return Totals(_NOON + timedelta(seconds=seconds), {"t.projects": decided}, events, published)


def test_how_fast_things_go(watched: Watched) -> None:
    assert watched.view.installation == "here"
    watched._totals.append(_totals(0, 10, 100, 90))
    watched._note_rates()
    assert (watched.view.unpublished, watched.view.published, watched.view.decided) == (10, None, {})
    watched._totals.append(_totals(2, 14, 130, 100))
    watched._note_rates()
    assert (watched.view.unpublished, watched.view.published) == (30, 5.0)
    assert watched.view.decided == dict.fromkeys(INPUT_TOPICS, 0.0) | {Topic.PROJECTS: 2.0}
    watched._totals.append(_totals(4, 2, 130, 80))
    watched._note_rates()
    assert watched.view.published == 0.0, "a database that went back"
    assert watched.view.decided[Topic.PROJECTS] == 0.0


def test_a_rate_is_of_a_second_at_least_and_of_what_was_never_read_before(watched: Watched) -> None:
    watched._totals.append(Totals(_NOON, {}, 0, 0))
    watched._totals.append(_totals(1, 4, 0, 3))
    watched._note_rates()
    assert (watched.view.published, watched.view.decided[Topic.PROJECTS]) == (3.0, 4.0)


def test_a_rate_is_of_the_last_six_looks(watched: Watched) -> None:
    for number in range(8):
        watched._totals.append(_totals(number, number * number, 0, 0))
    watched._note_rates()
    assert watched.view.decided[Topic.PROJECTS] == (49 - 4) / 5


def test_for_how_long_a_slot_is_in_the_same_hands(watched: Watched) -> None:
    watched.view.slots = [Slot(0, "a", 5.0), Slot(1, "b", 0.0), Slot(2, "c", -1.0), Slot(3, None, None)]
    watched._note_holders()
    assert watched.view.held_seconds == {0: 0.0, 1: 0.0}
    watched._held = {number: (holder, since - 100) for number, (holder, since) in watched._held.items()}
    watched.view.slots = [Slot(0, "a", 5.0), Slot(1, "c", 5.0)]
    watched._note_holders()
    assert 100 <= watched.view.held_seconds[0] < 3600
    assert watched.view.held_seconds[1] == 0.0, "in other hands"
    watched.view.slots = []
    watched._note_holders()
    assert watched.view.held_seconds == {}


def test_a_process_that_tells_nothing() -> None:
    found = _told_or_away("http://127.0.0.1:1/metrics")
    assert isinstance(found, Standing)
    assert (found.verdict, found.what, found.section) == (Verdict.TROUBLE, "127.0.0.1:1", Section.PROBES)
    assert found.words.startswith("Nobody tells metrics there: ")
    assert found.to_do == "See that it runs, and that this is where."
