"""Variables that look like settings and are none are warned of, with the nearest name and without their values."""

import os
from pathlib import Path

import pytest

from cli.terminal.installation import load_settings
from workers.runtime.settings import Settings, unknown_variables


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("WHOPAYS_")]:
        monkeypatch.delenv(name)
    return tmp_path


def test_what_is_known_is_not_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"WHOPAYS_{name.upper()}", "x")
    for name in ("WHOPAYS_CASES", "WHOPAYS_CACHE_DIR", "whopays_shards", "WHOPAYSSHARDS", "DATABASE_URL"):
        monkeypatch.setenv(name, "x")
    assert unknown_variables() == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    (
        ("WHOPAYS_DATABSE_URL", "WHOPAYS_DATABASE_URL"),
        ("WHOPAYS_DB_URL", "WHOPAYS_DATABASE_URL"),
        ("WHOPAYS_KAFKA_BOOTSTRAP_SERVER", "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS"),
        ("WHOPAYS_TOPICPREFIX", "WHOPAYS_TOPIC_PREFIX"),
        ("WHOPAYS_METRIC_PORT", "WHOPAYS_METRICS_PORT"),
        ("whopays_topics_prefix", "WHOPAYS_TOPIC_PREFIX"),
        ("WHOPAYS_ENCRYPTION_KEY", "WHOPAYS_ENCRYPTION_KEYS"),
    ),
)
def test_the_nearest_name_is_told(monkeypatch: pytest.MonkeyPatch, name: str, nearest: str) -> None:
    monkeypatch.setenv(name, "secret")
    (line,) = unknown_variables()
    assert line.startswith(f"{name} is not a setting")
    assert line.endswith(f"Did you mean {nearest}?")


def test_what_is_like_nothing_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOPAYS_QQQQ", "secret")
    (line,) = unknown_variables()
    assert line == "WHOPAYS_QQQQ is not a setting and is ignored. See docs/settings.md."


def test_the_file_is_read_as_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".env").write_text("WHOPAYS_SHARD=secret\nOTHER=secret\nWHOPAYS_SHARDS=24\n")
    assert load_settings().shards == 24
    said = capsys.readouterr()
    assert said.err.startswith("warning: WHOPAYS_SHARD is not a setting")
    assert "secret" not in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == ""
