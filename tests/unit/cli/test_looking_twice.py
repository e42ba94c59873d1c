"""What two looks at the metrics of processes make of them, and the pane in which `whopays top` shows it."""

import time
from collections.abc import Mapping
from http.client import HTTPException
from io import StringIO

import pytest
from prometheus_client import CollectorRegistry, Counter
from rich.console import Console, Group
from rich.text import Text

from cli.operating.scraping import Batches, Labels, Told, address_of, at_work, rate_of, told_by, url_of
from cli.operating.top import _KEY, _LINES, _own_urls, _Pane
from workers.runtime.metric import Step
from workers.runtime.metrics import Metrics
from workers.runtime.metrics_server import MetricsServer
from workers.runtime.settings import Settings

_URL = "http://10.0.0.7:9100/metrics"


def _told(at: float, samples: Mapping[tuple[str, str], float]) -> Told:
    """Return what a process told; labels are written `role=relay,step=load`."""

    def labels(said: str) -> Labels:
        return frozenset((label, value) for label, _, value in (one.partition("=") for one in said.split(",")))

    return Told(at, {(name, labels(said)): count for (name, said), count in samples.items()})


def test_samples_are_added_up_by_their_labels() -> None:
    told = _told(0, {("c", "a=1,b=1"): 2.0, ("c", "a=1,b=2"): 3.0, ("c", "a=2,b=1"): 5.0, ("d", "a=1,b=1"): 7.0})
    assert told.total("c") == 10.0
    assert told.total("c", a="1") == 5.0
    assert told.total("c", a="1", b="2") == 3.0
    assert told.total("c", a="3") == 0
    assert told.values("c", "a") == {"1": 5.0, "2": 5.0}
    assert told.values("c", "z") == {}


def test_how_fast_counters_rose() -> None:
    before = _told(10.0, {("c", "a=1"): 4.0, ("c", "a=2"): 9.0, ("c", "a=3"): 1.0})
    now = _told(12.0, {("c", "a=1"): 10.0, ("c", "a=2"): 1.0, ("c", "a=3"): 1.0, ("c", "a=4"): 8.0})
    once = {"1": 3.0, "2": 0.5, "3": 0.0, "4": 4.0}
    assert rate_of("c", [(before, now)], "a") == once, "one that was started again counts from the beginning"
    assert rate_of("c", [(before, now), (before, now)], "a") == {value: 2 * rate for value, rate in once.items()}
    assert rate_of("c", [(now, now)], "a") == dict.fromkeys("1234", 0.0)


def _batches(number: float, seconds: float, load: float) -> dict[tuple[str, str], float]:
    role = "role=projects"
    return {
        ("whopays_batch_seconds_count", role): number,
        ("whopays_batch_seconds_sum", role): seconds,
        ("whopays_batch_step_seconds_sum", f"{role},step=load"): load,
    }


def test_which_roles_a_process_plays_and_what_came_of_their_batches() -> None:
    minute_ago = time.time() - 60
    signs = {("whopays_role_heartbeat_timestamp_seconds", f"role={role}"): minute_ago for role in ("projects", "relay")}
    before, now = _told(10.0, signs | _batches(3, 1.0, 0.5)), _told(12.0, signs | _batches(7, 3.0, 1.5))
    batching, relaying = at_work(_URL, before, now)
    assert (batching.role, batching.address, relaying.role) == ("projects", "10.0.0.7:9100", "relay")
    assert 60 <= relaying.silent_seconds < 3600
    assert relaying.batches is None
    assert batching.batches == Batches(2.0, 0.5, {step: 0.25 * (step is Step.LOAD) for step in Step})
    assert [one.batches for one in at_work(_URL, None, now)] == [None, None]
    assert at_work(_URL, now, now)[0].batches == Batches(0.0, 0.0, {})
    ahead = {("whopays_role_heartbeat_timestamp_seconds", "role=relay"): time.time() + 3600}
    assert at_work(_URL, None, _told(1.0, ahead))[0].silent_seconds == 0.0


@pytest.mark.parametrize(
    ("word", "url"),
    (
        ("10.0.0.7:9100", _URL),
        ("http://10.0.0.7:9100", _URL),
        ("http://10.0.0.7:9100/other", "http://10.0.0.7:9100/other"),
        ("https://a.example", "https://a.example/metrics"),
    ),
)
def test_where_metrics_are(word: str, url: str) -> None:
    assert url_of(word) == url
    assert address_of(_URL) == "10.0.0.7:9100"


@pytest.mark.parametrize("word", ("", "nowhere", ":9100", "ftp://a:1", "http://", "http:///metrics", "a:x"))
def test_what_is_no_place_of_metrics(word: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        url_of(word)


def test_a_process_of_this_host_is_found_by_its_port() -> None:
    registry = CollectorRegistry()
    Counter("c", "", ("a",), registry=registry).labels("1").inc(3)
    server = MetricsServer("127.0.0.1", 0, registry)
    url = f"http://127.0.0.1:{server.port}/metrics"
    try:
        assert told_by(url).total("c_total", a="1") == 3.0
        assert _own_urls(Settings(metrics_port=server.port)) == [url]
        with pytest.raises(OSError, match="SSL"):
            told_by(url.replace("http:", "https:"))
        with pytest.raises(HTTPException, match="/other is answered with 404"):
            told_by(url.replace("/metrics", "/other"))
    finally:
        server.close()
    assert _own_urls(Settings(metrics_port=server.port)) == []
    assert _own_urls(Settings(metrics_port=0)) == []
    assert Metrics().registry is not registry


def _shown(pane: _Pane, height: int) -> list[str]:
    out = StringIO()
    screen = Console(file=out, width=60, height=height, highlight=False, legacy_windows=False)
    screen.print(pane, height=height, end="")
    return out.getvalue().split("\n")


def _pane(lines: int, offset: int = 0) -> _Pane:
    pane = _Pane()
    pane.content, pane.offset = Group(*(Text(f"line {number}") for number in range(lines))), offset
    return pane


def test_where_everything_fits_nothing_is_scrolled() -> None:
    pane = _pane(3, offset=2)
    assert _shown(pane, 5) == ["line 0", "line 1", "line 2", "", "q ends"]
    assert pane.offset == 0
    assert _shown(_pane(4), 5)[-1] == "q ends"


@pytest.mark.parametrize(("offset", "first", "more"), ((0, 0, 6), (2, 2, 4), (6, 6, 0), (99, 6, 0)))
def test_what_does_not_fit_is_scrolled(offset: int, first: int, more: int) -> None:
    assert _shown(_pane(10, offset), 5) == [
        *(f"line {number}" for number in range(first, first + 4)),
        f"q ends  arrows scroll: {more} more below",
    ]


def test_one_line_is_always_shown() -> None:
    assert _shown(_pane(3), 1) == ["line 0", "q ends  arrows scroll: 2 more below"]


def test_keys_are_told_apart() -> None:
    assert _KEY.findall("jk\x1b[A\x1b[6~q \n") == ["j", "k", "\x1b[A", "\x1b[6~", "q", " ", "\n"]
    down, up = ("j", "\x1b[B", " ", "\x1b[6~"), ("k", "\x1b[A", "b", "\x1b[5~")
    assert [_LINES[key] for key in down] == [1, 1, 10, 10]
    assert [_LINES[key] for key in up] == [-1, -1, -10, -10]
