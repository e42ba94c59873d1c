"""Which installation a command talks to: the environment's, else the one that `whopays dev` runs in this folder."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cli.development.servers import with_key
from cli.terminal.installation import RUNNING, WHICH, forget, load_settings, remember, running_here
from cli.terminal.touching import name_what_is_touched
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


def test_a_running_dev_is_found_until_it_ends() -> None:
    remember(Settings(**DEV))
    found = load_settings()
    assert {name: getattr(found, name) for name in DEV} == DEV
    forget()
    assert load_settings() == Settings()


OTHER = {
    "database_url": "postgresql://production/x",
    "kafka_bootstrap_servers": "production:1",
    "installation": "production",
    "topic_prefix": "production.",
    "shards": "96",
}


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("spelling", (str.upper, str.lower))
@pytest.mark.parametrize("where", ("environment", ".env"))
def test_two_installations_are_never_mixed(
    monkeypatch: pytest.MonkeyPatch, name: str, spelling: Callable[[str], str], where: str
) -> None:
    remember(with_key(Settings(**DEV, metrics_port=9), Path("data")))
    variable = spelling(f"WHOPAYS_{name}")
    if where == ".env":
        Path(".env").write_text(f"{variable}={OTHER[name]}\n")
    else:
        monkeypatch.setenv(variable, OTHER[name])
    assert load_settings() == Settings()
    assert str(getattr(load_settings(), name)) == OTHER[name]
    assert running_here() == {}


def test_whichever_settings_say_which_installation_are_known() -> None:
    assert set(OTHER) == WHICH


def test_what_does_not_say_which_installation_goes_before_a_running_dev(monkeypatch: pytest.MonkeyPatch) -> None:
    remember(with_key(Settings(**DEV, metrics_port=9), Path("data")))
    monkeypatch.setenv("WHOPAYS_METRICS_PORT", "10")
    monkeypatch.setenv("WHOPAYS_ENCRYPTION_KEYS", json.dumps({"mine": fresh_key()}))
    found = load_settings()
    assert (found.metrics_port, found.database_url, set(found.encryption_keys)) == (10, DEV["database_url"], {"mine"})


def test_a_second_dev_does_not_take_over() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert remember(Settings(**DEV))
        written = json.loads(RUNNING.read_text()) | {"process": other.pid}
        RUNNING.write_text(json.dumps(written))
        assert not remember(Settings(topic_prefix="second."))
        assert load_settings().topic_prefix == DEV["topic_prefix"]
        forget()
        assert json.loads(RUNNING.read_text()) == written
    assert remember(Settings(topic_prefix="second."))
    assert load_settings().topic_prefix == "second."


@pytest.mark.parametrize(
    ("address", "place"),
    (
        ("postgresql://me:secret@db.example:5433/billing", "db.example:5433/billing"),
        ("postgresql://me:secret@db.example/billing?sslmode=require", "db.example/billing"),
        ("postgresql:///whopays?host=/run/postgresql", "/run/postgresql/whopays"),
        ("postgresql+asyncpg://me:secret@a:1,b:2/x", "a:1,b:2/x"),
        ("postgresql://localhost", "localhost/"),
        ("postgresql:///x?host=a,b&port=1,2&password=secret", "a:1,b:2/x"),
        ("nonsense secret", "whose address cannot be read"),
    ),
)
def test_what_is_touched_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, place: str
) -> None:
    monkeypatch.setenv("WHOPAYS_DATABASE_URL", address)
    name_what_is_touched(load_settings())
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "", f"Working on database {place}, Kafka at localhost:9092 (from the environment or .env).\n"
    )  # fmt: skip


def test_who_says_what_is_touched_is_named_too(capsys: pytest.CaptureFixture[str]) -> None:
    name_what_is_touched(load_settings())
    remember(Settings(**DEV))
    name_what_is_touched(load_settings(), kafka=False)
    by_default, of_dev = capsys.readouterr().err.splitlines()
    assert by_default.endswith("(by default).")
    assert of_dev == ("Working on database dev/x (of the whopays dev that runs in this folder, .whopays/running.json).")


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
