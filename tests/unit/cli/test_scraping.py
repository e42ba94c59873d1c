"""What `whopays top` makes of what processes tell of themselves: who is alive, rates, and the time of batches."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from cli.operating.scraping import Batches, Told, at_work, rate_of, told_by, url_of
from cli.operating.watched import Watched
from db.at_work import Totals
from schemas.topics import Topic
from workers.runtime.metric import Step
from workers.runtime.settings import Settings

_URL = "http://10.0.0.7:9100/metrics"


def _told(at: float, **samples: float) -> Told:
    """Return what a process told; a sample is named `name__label__value__label__value`."""
    named = {}
    for name, value in samples.items():
        metric, *labels = name.split("__")
        named[f"whopays_{metric}", frozenset(zip(labels[::2], labels[1::2], strict=True))] = value
    return Told(at, named)


def _batches(at: float, number: float, seconds: float, lock: float) -> Told:
    return _told(
        at,
        role_heartbeat_timestamp_seconds__role__timers=time.time() - 40,
        role_heartbeat_timestamp_seconds__role__relay=time.time() + 40,
        batch_seconds_count__role__timers=number,
        batch_seconds_sum__role__timers=seconds,
        batch_seconds_count__role__projects=9 * number,
        batch_step_seconds_sum__role__timers__step__lock=lock,
    )


def test_a_role_is_as_silent_as_its_last_sign_of_life_is_old() -> None:
    (timers, relay) = at_work(_URL, None, _batches(10.0, 5, 1.0, 0.5))
    assert (timers.role, timers.address, timers.batches) == ("timers", "10.0.0.7:9100", None)
    assert 40 <= timers.silent_seconds < 40 + 30
    assert relay.silent_seconds == 0, "clocks are apart"


def test_batches_are_those_between_two_looks() -> None:
    timers, relay = at_work(_URL, _batches(10.0, 5, 1.0, 0.5), _batches(20.0, 25, 9.0, 4.5))
    assert timers.batches is not None
    assert (timers.batches.a_second, timers.batches.seconds) == (2.0, 0.4)
    assert {step: seconds for step, seconds in timers.batches.steps.items() if seconds} == {Step.LOCK: 0.2}
    assert relay.batches is None, "a relay has none"
    for later in (_batches(20.0, 5, 1.0, 0.5), _batches(20.0, 1, 0.1, 0.1)):
        timers, _ = at_work(_URL, _batches(10.0, 5, 1.0, 0.5), later)
        assert timers.batches == Batches(0.0, 0.0, {}), "none, or those of a process that was started again"


def test_rates_of_all_processes_are_added_up() -> None:
    applied, rejected = "commands_total__outcome__Applied__type__x", "commands_total__outcome__Rejected__type__x"
    also = "commands_total__outcome__Applied__type__y"
    first = _told(10.0, **{applied: 100.0, also: 10.0}), _told(20.0, **{applied: 140.0, also: 20.0, rejected: 5.0})
    second = _told(0.0, **{applied: 900.0}), _told(2.0, **{applied: 30.0})
    found = rate_of("whopays_commands_total", [first, second], "outcome")
    assert found == {"Applied": 5.0 + 15.0, "Rejected": 0.5}, "the second was started again"


@pytest.mark.parametrize(
    ("word", "url"),
    (
        ("10.0.0.7:9100", _URL),
        ("http://10.0.0.7:9100", _URL),
        ("https://a.example", "https://a.example/metrics"),
        ("https://a.example/m", "https://a.example/m"),
        ("[::1]:9100", "http://[::1]:9100/metrics"),
    ),
)
def test_where_metrics_are(word: str, url: str) -> None:
    assert url_of(word) == url


@pytest.mark.parametrize("word", ("a.example", "ftp://a.example:1", "http:///metrics", ":9100", "a.example:x"))
def test_what_is_no_place_of_metrics(word: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        url_of(word)


def test_a_page_of_metrics_is_read_and_any_other_answer_is_none() -> None:
    with _answering(200, b'# TYPE a counter\na_total{role="x"} 3\na_total{role="y"} 4\n') as url:
        told = told_by(url)
    assert (told.total("a_total"), told.total("a_total", role="x")) == (7.0, 3.0)
    assert told.values("a_total", "role") == {"x": 3.0, "y": 4.0}
    assert told.values("a_total", "colour") == {}
    with _answering(403, b'a_total{role="x"} 3\n') as url, pytest.raises(HTTPException, match="answered with 403"):
        told_by(url)


@contextmanager
def _answering(status: int, body: bytes) -> Iterator[str]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        answering = Thread(target=server.handle_request)
        answering.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        answering.join()


async def test_rates_are_of_the_looks_that_are_remembered() -> None:
    watched = Watched(Settings(topic_prefix="p."), [], 1.0)
    noon = datetime(2027, 1, 31, 12, tzinfo=UTC)

    def look(second: float, projects: int, events: int, published: int) -> None:
        watched._totals.append(Totals(noon + timedelta(seconds=second), {"p.projects": projects}, events, published))
        watched._note_rates()

    look(0, 100, 50, 40)
    assert (watched.view.unpublished, watched.view.published, watched.view.decided) == (10, None, {})
    look(10, 120, 80, 80)
    assert (watched.view.unpublished, watched.view.published) == (0, 4.0)
    assert watched.view.decided == {Topic.PROJECTS: 2.0, Topic.PAYMENT_PROFILES: 0.0, Topic.ADMIN_COMMANDS: 0.0}
    look(20, 0, 80, 20)
    assert (watched.view.published, watched.view.decided[Topic.PROJECTS]) == (0.0, 0.0), "never below nothing"
    await watched.close()
