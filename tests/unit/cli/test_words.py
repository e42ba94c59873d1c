"""The small words of the commands: numbers, lengths of time, events in a line, keys of pages, files."""

import hashlib
import io
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from cli.development.dev import of_a_development
from cli.development.servers import servers, with_key
from cli.operating.files import Hashed, written_whole
from cli.program import app
from cli.terminal.describing import clock, duration, event_line, what_changed
from cli.terminal.ending import CommandFailed, Misused
from cli.terminal.failures import in_words
from cli.terminal.output import count_of, print_json, print_json_line
from cli.terminal.paging import key_of, text_of
from workers.runtime.settings import Settings

_INSTANT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
_EVENT: dict[str, Any] = {
    "time": "2026-01-02T03:04:05.678901Z",
    "sequence": "00000000000000000007",
    "type": "io.milo.billing.AccountChanged.v1",
    "subject": "acme/main",
    "data": {"version": 3, "phase": "Ready"},
}


@pytest.mark.parametrize(
    ("number", "said"), ((0, "0 projects"), (1, "1 project"), (2, "2 projects"), (21, "21 projects"))
)
def test_numbers_of_things(number: int, said: str) -> None:
    assert count_of(number, "project") == said
    assert count_of(number, "entry", "entries") == said.replace("projects", "entries").replace("project", "entry")


@pytest.mark.parametrize(
    ("length", "said"),
    (
        (timedelta(0), "0.00 s"),
        (timedelta(seconds=1.254), "1.25 s"),
        (timedelta(seconds=59.99), "59.99 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(seconds=61), "1 min 1 s"),
        (timedelta(minutes=59, seconds=59), "59 min 59 s"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=1, seconds=5), "1 h"),
        (timedelta(hours=1, minutes=2, seconds=5), "1 h 2 min"),
        (timedelta(hours=23, minutes=59), "23 h 59 min"),
        (timedelta(days=1), "1 d"),
        (timedelta(days=5, hours=2, minutes=9), "5 d 2 h"),
        (timedelta(days=400, minutes=9), "400 d"),
    ),
)
def test_lengths_of_time(length: timedelta, said: str) -> None:
    assert duration(length.total_seconds()) == said


def test_events_in_a_line() -> None:
    assert clock(_INSTANT) == "03:04:05.678"
    line = event_line(_EVENT)
    assert line.plain == "2026-01-02 03:04:05.678   #7 AccountChanged       acme/main  version 3, Ready"
    assert line.no_wrap
    assert event_line(_EVENT, with_day=False).plain == line.plain[11:]
    without = {name: said for name, said in _EVENT.items() if name != "sequence"}
    assert event_line(without).plain == line.plain.replace("#7", "  ")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    (
        ("BindingChanged", {"change": "Bound", "previous": None, "current": {"account": "a"}}, "Bound: nobody → a"),
        (
            "BindingChanged",
            {"change": "Released", "previous": {"account": "a"}, "current": None},
            "Released: a → nobody",
        ),
        ("AccountPhaseChanged", {"previousPhase": None, "phase": "Ready", "reason": "R"}, "new → Ready (R)"),
        ("AccountPhaseChanged", {"previousPhase": "Ready", "phase": "X", "reason": "R"}, "Ready → X (R)"),
        ("ProjectBillingNotice", {"kind": "K", "reason": "R"}, "K (R)"),
        ("DeadLetter", {"reason": "R", "detail": "d"}, "R: d"),
        ("Watermark", {}, ""),
        (
            "CommandCompleted",
            {"commandType": "io.milo.billing.BindProject.v1", "outcome": "Applied", "dryRun": False, "violations": []},
            "BindProject Applied",
        ),
        (
            "CommandCompleted",
            {
                "commandType": "io.milo.billing.BindProject.v1",
                "outcome": "Rejected",
                "dryRun": True,
                "violations": [{"reason": "A"}, {"reason": "B"}],
            },
            "BindProject Rejected (dry run): A, B",
        ),
    ),
)
def test_what_an_event_tells(name: str, data: dict[str, Any], said: str) -> None:
    assert what_changed(name, data) == said


def test_keys_of_pages() -> None:
    assert (key_of(None, (str,)), text_of(None)) == (None, None)
    assert (key_of("acme/7", (str, int)), text_of(("acme", 7))) == (("acme", 7), "acme/7")
    for text in ("acme", "acme/x", "acme/7/8", ""):
        with pytest.raises(Misused, match=r"not a place in this list"):
            key_of(text, (str, int))


def test_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"é": [1]})
    print_json_line({"é": [1]})
    assert capsys.readouterr().out == '{\n  "é": [\n    1\n  ]\n}\n{"é": [1]}\n'


def test_what_is_written_is_hashed_and_counted() -> None:
    out = io.BytesIO()
    hashed = Hashed(out)
    assert (hashed.writable(), hashed.tell(), hashed.write(b"abc"), hashed.write(b"de")) == (True, 0, 3, 2)
    assert (out.getvalue(), hashed.tell(), hashed.size) == (b"abcde", 5, 5)
    assert hashed.sha256 == hashlib.sha256(b"abcde").hexdigest()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "out"
    with written_whole(file, may_overwrite=False) as out:
        out.write(b"one")
        assert not file.exists()
    with pytest.raises(CommandFailed, match="exists already"), written_whole(file, may_overwrite=False):
        raise AssertionError
    with pytest.raises(TypeError), written_whole(file, may_overwrite=True) as out:
        out.write(None)  # type: ignore[call-overload]  # it fails halfway
    assert (file.read_bytes(), list(tmp_path.iterdir())) == (b"one", [file])
    with written_whole(file, may_overwrite=True) as out:
        out.write(b"two")
    assert (file.read_bytes(), list(tmp_path.iterdir())) == (b"two", [file])
    with (
        pytest.raises(CommandFailed, match="cannot be written: No such"),
        written_whole(tmp_path / "none" / "out", may_overwrite=True),
    ):
        raise AssertionError


def test_into_a_pipe_is_written_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for may_overwrite in (False, True):
            with written_whole(pipe, may_overwrite=may_overwrite) as out:
                out.write(b"one")
            assert os.read(reading, 10) == b"one"
    finally:
        os.close(reading)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_what_is_no_manifest_is_named(tmp_path: Path) -> None:
    file = tmp_path / "manifest"
    file.write_text("{")
    ran = CliRunner().invoke(app, ("verify", "--manifest", str(file)))
    assert ran.exit_code == 2, "nothing was checked"
    assert f"{file} is no JSON document" in ran.stderr
    ran = CliRunner().invoke(app, ("verify", "--offline", str(file)))
    assert ran.exit_code == 2, "nothing was checked"
    assert f"{file} cannot be checked: " in ran.stderr


def test_errors_of_the_system_without_a_file_or_words() -> None:
    assert in_words(OSError("in words")) == "in words"
    assert in_words(OSError()) == "OSError"


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    settings = Settings(encryption_keys={})
    made = with_key(settings, folder)
    [kept] = folder.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [key.get_secret_value() for key in made.encryption_keys.values()] == [*json.loads(kept.read_text()).values()]
    assert with_key(settings, folder).encryption_keys == made.encryption_keys
    own = Settings(encryption_keys={"own": SecretStr(json.loads(kept.read_text())["development"])})
    assert with_key(own, tmp_path / "other") is own
    assert not (tmp_path / "other").exists()
    assert with_key(settings, tmp_path).encryption_keys, "a folder that is there, too"


def test_servers_of_others_are_not_emptied(tmp_path: Path) -> None:
    given = Settings(database_url="postgresql://x/y", kafka_bootstrap_servers="z:1")
    with pytest.raises(CommandFailed, match="Nothing was done"), servers(given, tmp_path, print, reset=True):
        raise AssertionError


def test_what_a_development_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOG_FORMAT", "AUTH"):
        monkeypatch.delenv(f"WHOPAYS_{name}", raising=False)
    found = of_a_development(Settings())
    assert (found.log_format, found.auth) == ("console", "jwt")
    found = of_a_development(Settings(log_format="json"))
    assert (found.log_format, found.auth) == ("json", "jwt")
