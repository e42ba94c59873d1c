"""What the port of the metrics answers: what is asked at /metrics, and nothing else."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest

from workers.runtime.metrics import Metrics
from workers.runtime.metrics_server import MetricsNotServed, MetricsServer
from workers.runtime.probes import Probed
from workers.runtime.roles import AUDIT, Role


@pytest.fixture(scope="module")
def server() -> Iterator[MetricsServer]:
    server = MetricsServer("127.0.0.1", 0, Metrics().registry)
    yield server
    server.close()


def _asked(server: MetricsServer, method: str, path: str) -> tuple[HTTPResponse, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response, body


@pytest.mark.parametrize("path", ("/metrics", "/metrics?name[]=whopays_build_info"))
def test_metrics(server: MetricsServer, path: str) -> None:
    response, body = _asked(server, "GET", path)
    assert response.status == 200
    assert "whopays_build_info{" in body
    assert ("whopays_dead_letters_total" in body) == ("?" not in path)


def test_the_head_of_the_metrics(server: MetricsServer) -> None:
    response, body = _asked(server, "HEAD", "/metrics")
    assert (response.status, body) == (200, "")


@pytest.mark.parametrize("method", ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"))
@pytest.mark.parametrize(
    "path", ("/", "/health", "/metrics/", "/metrics/x", "/Metrics", "/favicon.ico", "/../metrics", "*")
)
def test_an_unknown_path(server: MetricsServer, method: str, path: str) -> None:
    response, body = _asked(server, method, path)
    assert response.status == 404
    assert "whopays_" not in body


@pytest.mark.parametrize("troubles", ((), ("relay hangs",)))
def test_probes_beside_the_metrics(troubles: tuple[str, ...]) -> None:
    server = MetricsServer("127.0.0.1", 0, Metrics().registry, {"/livez": lambda: Probed("said", troubles)})
    try:
        status = 503 if troubles else 200
        response, body = _asked(server, "GET", "/livez")
        assert (response.status, json.loads(body).get("troubles", [])) == (status, list(troubles))
        response, body = _asked(server, "HEAD", "/livez")
        assert (response.status, body) == (status, "")
        assert _asked(server, "POST", "/livez")[0].status == 405
        assert _asked(server, "GET", "/metrics")[0].status == 200
        response, body = _asked(server, "GET", "/readyz")
        assert (response.status, body) == (404, "There is only /metrics, /livez.\n")
    finally:
        server.close()


@pytest.mark.parametrize("method", ("POST", "PUT", "DELETE", "PATCH", "BREW"))
def test_it_can_only_be_read(server: MetricsServer, method: str) -> None:
    response, body = _asked(server, method, "/metrics")
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "whopays_" not in body


@pytest.mark.parametrize("address", ("127.0.0.1", "::1", "localhost"))
def test_a_port_that_is_taken_is_named(address: str) -> None:
    try:
        first = MetricsServer(address, 0, Metrics().registry)
    except MetricsNotServed:
        pytest.skip(f"this host has no {address}")
    with pytest.raises(MetricsNotServed, match=f"at {address}, port {first.port}: Address already in use"):
        MetricsServer(address, first.port, Metrics().registry)
    first.close()
    MetricsServer(address, first.port, Metrics().registry).close()


@pytest.mark.parametrize("address", ("192.0.2.1", "no.such.host.invalid", "not an address"))
def test_an_address_that_is_not_of_this_host_is_named(address: str) -> None:
    with pytest.raises(MetricsNotServed, match="WHOPAYS_METRICS_ADDRESS"):
        MetricsServer(address, 0, Metrics().registry)


def test_only_the_address_that_was_asked_for_is_listened_on(server: MetricsServer) -> None:
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", server.port))


def test_whoever_asks_does_not_hold_up_the_end_of_a_process(server: MetricsServer) -> None:
    assert server._thread.daemon
    assert server._server.daemon_threads


def test_a_role_that_is_no_worker_shows_life_too() -> None:
    metrics = Metrics((Role.RELAY,))
    assert metrics.registry.get_sample_value("whopays_role_heartbeat_timestamp_seconds", {"role": AUDIT}) is None
    metrics.alive(AUDIT)
    assert metrics.registry.get_sample_value("whopays_role_heartbeat_timestamp_seconds", {"role": AUDIT})
