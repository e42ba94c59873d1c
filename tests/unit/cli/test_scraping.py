"""What `whopays top` makes of what processes tell of themselves: who is alive, rates, and the time of batches."""

import time
from collections.abc import Mapping
from http.client import HTTPException

import pytest
from prometheus_client import CollectorRegistry, Counter

from cli.operating.scraping import Batches, Labels, Told, address_of, at_work, rate_of, told_by, url_of
from cli.operating.top import _own_urls
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
    again = _told(13.0, signs | _batches(1, 0.1, 0.1))
    assert at_work(_URL, now, now)[0].batches == Batches(0.0, 0.0, {})
    assert at_work(_URL, now, again)[0].batches == Batches(0.0, 0.0, {}), "it was started again"
    ahead = {("whopays_role_heartbeat_timestamp_seconds", "role=relay"): time.time() + 3600}
    assert at_work(_URL, None, _told(1.0, ahead))[0].silent_seconds == 0.0


@pytest.mark.parametrize(
    ("word", "url"),
    (
        ("10.0.0.7:9100", _URL),
        ("http://10.0.0.7:9100", _URL),
        ("http://10.0.0.7:9100/other", "http://10.0.0.7:9100/other"),
        ("https://a.example", "https://a.example/metrics"),
        ("[::1]:9100", "http://[::1]:9100/metrics"),
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
        with pytest.raises(OSError, match=r"^"):
            told_by(url.replace("127.0.0.1", "127.0.0.2"))
    finally:
        server.close()
    assert _own_urls(Settings(metrics_port=server.port)) == []
    assert _own_urls(Settings(metrics_port=0)) == []
    assert Metrics().registry is not registry
