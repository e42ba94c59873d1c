"""What `whopays top` makes of several looks: how fast things go, and for how long a slot is in the same hands."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from cli.operating.scraping import Batches
from cli.operating.standing import Section, Standing, Verdict
from cli.operating.watched import Watched, _told_or_away
from db.at_work import Slot, Totals
from schemas.topics import INPUT_TOPICS, Topic
from workers.runtime.metrics_server import MetricsServer
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


def _process(port: int, answered: int) -> MetricsServer:
    """Serve the metrics of a process that has answered so many commands."""
    registry = CollectorRegistry()
    heartbeat = Gauge("whopays_role_heartbeat_timestamp_seconds", "", ("role",), registry=registry)
    heartbeat.labels("projects").set(time.time())
    Counter("whopays_commands", "", ("outcome",), registry=registry).labels("Applied").inc(answered)
    return MetricsServer("127.0.0.1", port, registry)


async def test_processes_that_are_away_hide_no_other_and_begin_anew() -> None:
    process = _process(0, 5)
    nowhere, url = "http://127.0.0.1:1/metrics", f"http://127.0.0.1:{process.port}/metrics"
    watched = Watched(Settings(), [nowhere, url], 1.0)
    view = watched.view

    async def seen() -> tuple[list[str], list[Batches | None], dict[str, float]]:
        await watched._see_processes()
        assert view.at_work.keys() <= {url}
        batches = [one.batches for found in view.at_work.values() for one in found]
        return [one.what for one in view.standings["processes"]], batches, dict(view.outcomes)

    try:
        assert await seen() == (["127.0.0.1:1"], [None], {})
        for _ in range(2):
            assert await seen() == (["127.0.0.1:1"], [Batches(0.0, 0.0, {})], {"Applied": 0.0})
        process.close()
        assert await seen() == (["127.0.0.1:1", f"127.0.0.1:{process.port}"], [], {})
        process = _process(process.port, 9)
        assert await seen() == (["127.0.0.1:1"], [None], {}), "what it told before it was away is of another process"
    finally:
        process.close()
        await watched.close()


def test_a_process_that_tells_nothing() -> None:
    found = _told_or_away("http://127.0.0.1:1/metrics")
    assert isinstance(found, Standing)
    assert (found.verdict, found.what, found.section) == (Verdict.TROUBLE, "127.0.0.1:1", Section.PROBES)
    assert found.words.startswith("No metrics can be read there: ")
    assert found.to_do == "Check that it runs, and that the address is right."
