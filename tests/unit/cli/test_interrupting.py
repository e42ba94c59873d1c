"""Ctrl-C is quiet from the first import of a command to the last."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.program import app
from tests.support.packages import ROOT

_INTERRUPTED = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

# As a shell starts it: tests may run in the background, where Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
sys.argv[1:] = {words!r}
from cli import main
main()
"""

WAITING = ("who", "acme", "web")


@pytest.mark.parametrize(
    ("words", "module"),
    (
        (WAITING, "cli.program"),
        (WAITING, "typer"),
        (WAITING, "cli.asking.who"),
        (("send", "BindProject", "--organization", "acme"), "pydantic"),
        (WAITING, "asyncpg"),
        (("send", "BindProject", "--organization", "acme"), "aiokafka"),
        (("verify",), "sqlalchemy"),
        (("accounts", "acme"), "pydantic"),
        (
            (
                "export",
                "intervals",
                "--from",
                "2026-01-01T00:00:00Z",
                "--until",
                "2026-02-01T00:00:00Z",
                "--format",
                "csv",
            ),
            "pydantic",
        ),
        (("run",), "faststream"),
        (("health",), "http.client"),
        (("--help",), "rich"),
        (("topics", "check"), "aiokafka"),
    ),
)
def test_ctrl_c_in_the_middle_of_an_import_says_nothing(tmp_path: Path, words: tuple[str, ...], module: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED.format(words=list(words), module=module)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, b"", b"")


@pytest.mark.parametrize("words", (("who",), ("topics", "check"), ("dev",)), ids=" ".join)
def test_ctrl_c_raises_once_a_command_is_imported(words: tuple[str, ...]) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        said = CliRunner().invoke(app, [*words, "--help"])
        assert said.exit_code == 0, said.output
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
