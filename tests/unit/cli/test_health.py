"""`whopays health`: where it asks, whom it finds alive, and what it says where nobody answers."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.program import app
from cli.terminal.installation import remembered
from workers.runtime.settings import Settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WHOPAYS_")]:
        monkeypatch.delenv(name)


def _asked(*words: str, **said: object) -> Result:
    return CliRunner().invoke(
        app, ("health", *words), env={f"WHOPAYS_{name.upper()}": str(said[name]) for name in said}
    )


@contextmanager
def _process(*seconds_ago: float) -> Iterator[int]:
    """Answer with the heartbeats of roles, as a process does; yield the port."""
    now = time.time()
    lines = [
        f'whopays_role_heartbeat_timestamp_seconds{{role="r{number}"}} {now - ago}'
        for number, ago in enumerate(seconds_ago)
    ]
    body = "\n".join(("# HELP x", *lines, "other 1", "")).encode()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body if self.path == "/metrics" else b"")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_roles_that_are_alive() -> None:
    with _process(0, 20) as port:
        asked = _asked(metrics_port=port)
        assert asked.exit_code == 0
        assert _asked(metrics_port=port, shards=0).exit_code == 0, "what else is set is not looked at"
        assert [line.partition(",")[0] for line in asked.stdout.splitlines()] == ["r0: alive", "r1: alive"]
        document = json.loads(_asked("--json", metrics_port=port).stdout)
    assert document["healthy"] is True
    assert 20 <= document["secondsSinceLastSignOfLife"]["r1"] < 30


def test_roles_that_are_silent() -> None:
    with _process(0, 31) as port:
        asked = _asked(metrics_port=port)
        assert (asked.exit_code, json.loads(_asked("--json", metrics_port=port).stdout)["healthy"]) == (1, False)
    assert "r0: alive" in asked.stdout
    assert "r1: silent, last sign of life 31." in asked.stdout
    assert "No sign of life from r1 for more than 30 s" in asked.stderr


def test_a_clock_that_was_put_back_makes_nobody_younger_than_now() -> None:
    with _process(-100) as port:
        assert json.loads(_asked("--json", metrics_port=port).stdout)["secondsSinceLastSignOfLife"] == {"r0": 0.0}


def test_a_process_without_roles_is_not_healthy() -> None:
    with _process() as port:
        asked = _asked("--json", metrics_port=port)
    assert (asked.exit_code, json.loads(asked.stdout)["healthy"]) == (1, False)
    assert "has started no role yet" in asked.stderr


def test_where_nothing_is_said() -> None:
    for asked in (_asked(), _asked(metrics_port=0)):
        assert asked.exit_code == 1
        assert "Set WHOPAYS_METRICS_PORT" in asked.stderr
        assert asked.stdout == ""


def test_what_runs_in_this_folder_is_asked() -> None:
    with _process(0) as port, remembered(Settings(metrics_port=port, metrics_address="127.0.0.1")):
        assert _asked().exit_code == 0


@pytest.mark.parametrize("address", ("127.0.0.1", "0.0.0.0"))  # noqa: S104 - said, not listened on
def test_whoever_listens_everywhere_is_asked_here(address: str) -> None:
    with _process(0) as port:
        assert _asked(metrics_port=port, metrics_address=address).exit_code == 0


@pytest.mark.parametrize(
    ("address", "at"),
    ((None, "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("::", "::1"), ("0.0.0.0", "127.0.0.1")),  # noqa: S104
)
def test_nobody_answers(address: str | None, at: str) -> None:
    with _process() as port:
        pass
    said: dict[str, Any] = {} if address is None else {"metrics_address": address}
    asked = _asked(metrics_port=port, **said)
    assert asked.exit_code == 1
    assert f"No whopays process answers at {at}, port {port}: " in asked.stderr
    with remembered(Settings(metrics_port=port, **said)):
        assert f"No whopays process answers at {at}, port {port}: " in _asked().stderr


@pytest.mark.parametrize("port", ("65536", "x", "-1"))
def test_what_is_no_port(port: str) -> None:
    asked = _asked(metrics_port=port)
    assert asked.exit_code != 0
    assert "WHOPAYS_METRICS_PORT" in asked.stderr
