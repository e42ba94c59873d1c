"""Which installation a command talks to: the environment's, else the one that `whopays dev` runs in this folder."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cli.development.servers import with_key
from cli.terminal.installation import RUNNING, forget, load_settings, remember
from db.sealing import fresh_key
from workers.runtime.settings import Settings

DEV: dict[str, Any] = {"database_url": "postgresql://dev/x", "kafka_bootstrap_servers": "dev:1", "topic_prefix": "dev."}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WHOPAYS_")]:
        monkeypatch.delenv(name)


def test_nothing_said_and_nothing_running_gives_the_defaults() -> None:
    assert load_settings() == Settings()


def test_a_running_dev_is_found_and_the_environment_goes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    remember(Settings(**DEV))
    found = load_settings()
    assert {name: getattr(found, name) for name in DEV} == DEV
    monkeypatch.setenv("WHOPAYS_DATABASE_URL", "postgresql://mine/x")
    assert load_settings().database_url == "postgresql://mine/x"
    assert load_settings().topic_prefix == "dev."
    forget()
    assert load_settings().topic_prefix == Settings().topic_prefix


def test_only_its_owner_reads_the_password_in_it() -> None:
    remember(Settings(**DEV))
    assert RUNNING.stat().st_mode & 0o777 == 0o600


def test_a_dev_that_is_gone_is_not_believed() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    remember(Settings(**DEV))
    RUNNING.write_text(json.dumps(json.loads(RUNNING.read_text()) | {"process": ended.pid}))
    assert load_settings() == Settings()
    forget()
    assert RUNNING.exists(), "what another process wrote is not this one's to delete"


@pytest.mark.parametrize("content", ("", "[]", "{", "{}"))
def test_a_damaged_file_says_nothing(content: str) -> None:
    RUNNING.parent.mkdir()
    RUNNING.write_text(content)
    assert load_settings() == Settings()


def test_a_running_dev_lends_its_key() -> None:
    remember(with_key(Settings(**DEV), Path("data")))
    assert load_settings().keys().active == "development"


def test_a_key_for_development_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    made = with_key(Settings(**DEV), tmp_path / "data").encryption_keys
    (kept,) = (tmp_path / "data").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert with_key(Settings(**DEV), tmp_path / "data").encryption_keys == made
    assert with_key(Settings(**DEV), tmp_path / "other").encryption_keys != made


def test_a_key_that_is_given_goes_before_it(tmp_path: Path) -> None:
    given = Settings(**DEV, encryption_keys={"mine": SecretStr(fresh_key())})
    assert with_key(given, tmp_path) == given
    assert list(tmp_path.iterdir()) == []
