"""Traces that are off cost nothing, not even an import; what a `traceparent` says of sampling."""

import json
import subprocess
import sys

import pytest

from tests.support.packages import ROOT
from workers.runtime.settings import Settings
from workers.runtime.traces import TracesNotInstalled, is_sampled, spans_of

TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"


def _imported_by(program: str) -> set[str]:
    program = f"{program}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    return set(json.loads(ended.stdout))


def test_whoever_does_not_trace_imports_no_exporter() -> None:
    found = _imported_by("import workers.process, service.app")
    heavy = {"opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "requests", "workers.runtime.spans"}
    assert found & heavy == set()


def test_the_client_imports_nothing_of_opentelemetry() -> None:
    assert {name for name in _imported_by("import whopays_client") if name.startswith("opentelemetry")} == set()


@pytest.mark.parametrize(("flags", "is_one"), (("00", False), ("01", True), ("02", False), ("ff", True), ("1b", True)))
def test_the_last_bit_of_the_flags_says_whether_it_is_sampled(flags: str, is_one: bool) -> None:
    assert is_sampled(TRACE_PARENT + flags) is is_one
    assert is_sampled(TRACE_PARENT.replace("00", "cc", 1) + flags + "-more") is is_one
    assert not is_sampled(None)


def test_nothing_records_where_traces_are_off() -> None:
    assert spans_of(Settings(), ["relay"]) is None


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "workers.runtime.spans", None)
    with pytest.raises(TracesNotInstalled, match=r"whopays\[traces\]"):
        spans_of(Settings(traces="otlp"), ["relay"])
