"""What cannot be undone is asked about first, and only then anything is reached."""

import json
import os
import socket
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.program import app
from db.sealing import KEY_BYTES

_ERASE = ("erase-contact", "acme", "main")
_REREAD = ("topics", "reread", "projects")
_RESHARD = ("reshard", "2")
_QUESTIONS: dict[tuple[str, ...], str] = {
    _ERASE: "Erase the contact of acme/main? Nobody will ever be able to read it again.",
    _REREAD: "Read t.projects from its beginning when the workers start again?",
    _RESHARD: "Is everything stopped, serve too, and shall there be 2 shards?",
}
_TOUCHING: dict[tuple[str, ...], bool] = {
    ("dead-letters", "discard", "--all", "--reason", "old"): False,
    ("dead-letters", "redrive", "--all"): True,
    (*_ERASE, "--yes"): False,
    ("migrate",): False,
    ("reconcile", "--apply"): True,
    (*_RESHARD, "--yes"): True,
    ("rewrap-keys",): False,
    ("topics", "adopt"): True,
    (*_REREAD, "--yes"): True,
    ("topics", "restore-positions"): True,
}
"""What changes an installation, and whether Kafka, too."""
_KEYS = '{"one": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}'
_SETTINGS = {"WHOPAYS_TOPIC_PREFIX": "t.", "WHOPAYS_ENCRYPTION_KEYS": _KEYS}


@pytest.fixture(autouse=True)
def nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation whose database nobody answers for."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WHOPAYS_")]:
        monkeypatch.delenv(name)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"postgresql://127.0.0.1:{bound.getsockname()[1]}/x?sslmode=disable"
        monkeypatch.setenv("WHOPAYS_DATABASE_URL", address)
        yield


def _asked(words: tuple[str, ...], answer: str = "") -> Result:
    return CliRunner().invoke(app, words, input=answer, env=_SETTINGS)


@pytest.mark.parametrize("words", _QUESTIONS, ids=" ".join)
def test_whoever_says_no_reaches_nothing(words: tuple[str, ...]) -> None:
    for answer in ("n\n", "\n", ""):
        ran = _asked(words, answer)
        assert ran.exit_code == 1
        assert _QUESTIONS[words] in ran.stderr
        assert "Aborted" in ran.stderr
        assert "Check WHOPAYS_DATABASE_URL" not in ran.stderr


@pytest.mark.parametrize("words", _QUESTIONS, ids=" ".join)
def test_whoever_says_yes_is_taken_at_their_word(words: tuple[str, ...]) -> None:
    for ran in (_asked(words, "y\n"), _asked((*words, "--yes"))):
        assert ran.exit_code == 1
        assert "Aborted" not in ran.stderr
        assert "Check WHOPAYS_DATABASE_URL" in ran.stderr
    assert _QUESTIONS[words] in _asked(words, "y\n").stderr
    assert _QUESTIONS[words] not in _asked((*words, "--yes")).stderr


@pytest.mark.parametrize("words", _TOUCHING, ids=" ".join)
def test_what_is_about_to_be_changed_is_named_first(words: tuple[str, ...]) -> None:
    ran = _asked(words)
    place = os.environ["WHOPAYS_DATABASE_URL"].removeprefix("postgresql://").partition("?")[0]
    broker = ", Kafka at localhost:9092" if _TOUCHING[words] else ""
    assert ran.stderr.splitlines()[0] == f"Working on database {place}{broker} (from the environment or .env)."
    assert ran.stdout == ""


def test_what_only_looks_is_about_to_change_nothing() -> None:
    assert "Working on" not in _asked(("reconcile",)).stderr


def test_a_new_key_is_named_by_the_instant_unless_said() -> None:
    named = json.loads(_asked(("new-key", "--id", "mine")).stdout)
    dated = json.loads(_asked(("new-key",)).stdout)
    assert list(named) == ["mine"]
    (name,) = dated
    made = datetime.strptime(name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - made).total_seconds()) < 3600
    for keys in (named, dated):
        assert [len(b64decode(key)) for key in keys.values()] == [KEY_BYTES]
