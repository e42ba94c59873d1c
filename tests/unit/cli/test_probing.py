"""What `whopays status` says of a process by what its probes answer."""

import pytest

from cli.operating.probing import of_process
from cli.operating.standing import Verdict
from workers.runtime.metrics import Metrics
from workers.runtime.metrics_server import MetricsServer
from workers.runtime.probes import Probed


@pytest.mark.parametrize(
    ("live", "ready", "verdict", "words", "to_do"),
    (
        ((), (), Verdict.WELL, "It lives, and is ready.", ""),
        ((), ("Kafka does not answer",), Verdict.TROUBLE, "Kafka does not answer.", "Look at its log, if it lasts."),
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
        "Nobody answers probes there: /livez is answered with 404.",
    )


@pytest.mark.parametrize("address", ("127.0.0.1:1", "127.0.0.1", "127.0.0.1:x", ""))
def test_nobody(address: str) -> None:
    found = of_process(address)
    assert found.verdict is Verdict.TROUBLE
    assert found.words.startswith("Nobody answers probes there: ")
