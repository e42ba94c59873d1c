"""What `whopays status` says of a process by what its probes answer."""

import asyncio
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from typer.testing import CliRunner

from cli.operating import status
from cli.operating.answering import CannotBeAsked, answer_of
from cli.operating.probing import of_process
from cli.operating.standing import Section, Standing, Verdict
from cli.program import app
from workers.runtime.metrics import Metrics
from workers.runtime.metrics_server import MetricsServer
from workers.runtime.probes import Probed
from workers.runtime.settings import Settings


@pytest.mark.parametrize(
    ("live", "ready", "verdict", "words", "to_do"),
    (
        ((), (), Verdict.WELL, "It is alive and ready.", ""),
        ((), ("Kafka does not answer",), Verdict.TROUBLE, "Kafka does not answer.", "Look at its log if this lasts."),
        (
            ("relay hangs",),
            ("relay hangs", "it stops"),
            Verdict.TROUBLE,
            "relay hangs; it stops.",
            "Start a new process.",
        ),
    ),
)
def test_a_process_that_answers(
    live: tuple[str, ...], ready: tuple[str, ...], verdict: Verdict, words: str, to_do: str
) -> None:
    probes = {"/livez": lambda: Probed("said", live), "/readyz": lambda: Probed("said", ready)}
    server = MetricsServer("127.0.0.1", 0, Metrics().registry, probes)
    try:
        found = of_process(f"127.0.0.1:{server.port}")
    finally:
        server.close()
    assert (found.verdict, found.words, found.to_do) == (verdict, words, to_do)


def test_a_process_without_probes() -> None:
    server = MetricsServer("127.0.0.1", 0, Metrics().registry)
    try:
        found = of_process(f"127.0.0.1:{server.port}")
    finally:
        server.close()
    assert (found.verdict, found.words) == (
        Verdict.TROUBLE,
        "No probes answer there: /livez is answered with 404.",
    )


@pytest.mark.parametrize(
    ("document", "words"),
    (
        ({"detail": "the database is away"}, "the database is away."),
        ({}, "it is not ready."),
        ({"troubles": ["it stops"], "detail": "other"}, "it stops."),
    ),
)
def test_a_server_that_refuses_says_why(
    document: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr(status, "looked_at", _nothing)
        try:
            ended = CliRunner().invoke(app, ("status", "--json", "--at", f"127.0.0.1:{server.server_port}"))
        finally:
            server.shutdown()
            thread.join()
    (found,) = json.loads(ended.stdout)["checks"]
    assert (ended.exit_code, found["verdict"], found["says"]) == (1, "trouble", words)


async def _nothing(_: Settings) -> list[Standing]:
    return []


async def test_a_server_that_never_answers_is_given_up() -> None:
    never = asyncio.get_running_loop().create_future()
    with pytest.raises(CannotBeAsked) as away:
        await answer_of(never, "database", Settings(), 0.0)
    found = away.value.standing
    assert (found.verdict, found.what, found.words) == (Verdict.UNKNOWN, "database", "It did not answer within 0 s.")
    assert (found.to_do, found.section) == ("Look at the server.", Section.SERVER_AWAY)
    assert str(away.value) == found.words


@pytest.mark.parametrize("address", ("127.0.0.1:1", "127.0.0.1", "127.0.0.1:x", ""))
def test_nobody(address: str) -> None:
    found = of_process(address)
    assert found.verdict is Verdict.TROUBLE
    assert found.words.startswith("No probes answer there: ")
