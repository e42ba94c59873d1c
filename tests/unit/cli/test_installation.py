"""Which installation a command talks to: the environment's, else the one that `whopays dev` runs in this folder."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cli.development.servers import with_key
from cli.terminal.installation import RUNNING, WHICH, database_address, load_settings, remembered, running_here
from cli.terminal.touching import name_what_is_touched
from db.sealing import fresh_key
from tests.support.packages import ROOT
from workers.runtime.settings import Settings

DEV: dict[str, Any] = {"database_url": "postgresql://dev/x", "kafka_bootstrap_servers": "dev:1", "topic_prefix": "dev."}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WHOPAYS_")]:
        monkeypatch.delenv(name)


Lend = Callable[[Settings], bool]


@pytest.fixture
def lend() -> Iterator[Lend]:
    """Lends settings to the folder, as `whopays dev` does, to the end of the test."""
    with ExitStack() as running:
        yield lambda settings: running.enter_context(remembered(settings))


_DEV = f"""
from cli.terminal.installation import remembered
from workers.runtime.settings import Settings
with remembered(Settings(**{DEV!r})) as is_found:
    print(is_found, flush=True)
    input()
"""


@contextmanager
def another_dev() -> Iterator[subprocess.Popen[str]]:
    """Run a process that lends its settings to this folder until its standard input ends; yield it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", _DEV], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process


def test_nothing_said_and_nothing_running_gives_the_defaults() -> None:
    assert load_settings() == Settings()


def test_what_looks_like_a_setting_and_is_none_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHOPAYS_DATABSE_URL", "x")
    load_settings()
    said = capsys.readouterr()
    assert (said.out, said.err.startswith("warning: "), "WHOPAYS_DATABSE_URL" in said.err) == ("", True, True)


def test_a_running_dev_is_found_until_it_ends() -> None:
    with remembered(Settings(**DEV)):
        found = load_settings()
        assert {name: getattr(found, name) for name in DEV} == DEV
        assert database_address() == DEV["database_url"]
    assert load_settings() == Settings()
    assert database_address() == Settings().database_url
    assert list(RUNNING.parent.iterdir()) == []


OTHER = {
    "database_url": "postgresql://production/x",
    "kafka_bootstrap_servers": "production:1",
    "installation": "production",
    "topic_prefix": "production.",
    "shards": "96",
    "first_shard": "48",
}


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("spelling", (str.upper, str.lower))
@pytest.mark.parametrize("where", ("environment", ".env"))
def test_two_installations_are_never_mixed(
    lend: Lend, monkeypatch: pytest.MonkeyPatch, name: str, spelling: Callable[[str], str], where: str
) -> None:
    lend(with_key(Settings(**DEV, metrics_port=9), Path("data")))
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


def test_what_says_nothing_of_which_installation_goes_before_a_running_dev(
    lend: Lend, monkeypatch: pytest.MonkeyPatch
) -> None:
    lend(with_key(Settings(**DEV, metrics_port=9), Path("data")))
    monkeypatch.setenv("WHOPAYS_METRICS_PORT", "10")
    monkeypatch.setenv("WHOPAYS_ENCRYPTION_KEYS", json.dumps({"mine": fresh_key()}))
    found = load_settings()
    assert (found.metrics_port, found.database_url, set(found.encryption_keys)) == (10, DEV["database_url"], {"mine"})


def test_a_second_dev_does_not_take_over() -> None:
    with another_dev():
        written = RUNNING.read_text()
        with remembered(Settings(topic_prefix="second.")) as is_found:
            assert not is_found
            assert load_settings().topic_prefix == DEV["topic_prefix"]
        assert RUNNING.read_text() == written
    with remembered(Settings(topic_prefix="second.")) as is_found:
        assert is_found
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


def test_who_says_what_is_touched_is_named_too(lend: Lend, capsys: pytest.CaptureFixture[str]) -> None:
    name_what_is_touched(load_settings())
    lend(Settings(**DEV))
    name_what_is_touched(load_settings(), kafka=False)
    by_default, of_dev = capsys.readouterr().err.splitlines()
    assert by_default.endswith("(by default).")
    assert of_dev == ("Working on database dev/x (of the whopays dev that runs in this folder, .whopays/running.json).")


def test_only_its_owner_reads_the_password_in_it(lend: Lend) -> None:
    RUNNING.parent.mkdir(mode=0o700)
    stale = RUNNING.with_name(f"{RUNNING.name}.{os.getpid()}")
    stale.write_text("left by one of the same process id that was killed")
    stale.chmod(0o644)
    lend(Settings(**DEV))
    assert RUNNING.stat().st_mode & 0o777 == 0o600
    assert not stale.exists()


def test_all_that_a_connection_needs_is_lent(lend: Lend) -> None:
    connection: dict[str, Any] = {
        "kafka_security_protocol": "SASL_SSL", "kafka_ssl_ca_location": "/ca.pem", "kafka_sasl_mechanism": "PLAIN",
        "kafka_sasl_username": "me", "kafka_sasl_password": SecretStr("secret"), "metrics_port": 9, "auth": "trusted",
    }  # fmt: skip
    lend(Settings(**DEV, **connection))
    found = load_settings()
    assert {name: getattr(found, name) for name in (*connection, *DEV)} == connection | DEV
    assert RUNNING.parent.stat().st_mode & 0o777 == 0o700


def test_a_dev_that_was_killed_is_not_believed_whoever_has_its_process_id_now() -> None:
    with another_dev() as killed:
        killed.kill()
    RUNNING.write_text(RUNNING.read_text().replace(str(killed.pid), str(os.getpid())))
    assert json.loads(RUNNING.read_text())["process"] == os.getpid()
    assert load_settings() == Settings()
    with remembered(Settings(topic_prefix="next.")) as is_found:
        assert is_found
        assert load_settings().topic_prefix == "next."


def test_only_ones_own_file_is_deleted() -> None:
    with remembered(Settings(**DEV)):
        RUNNING.unlink()
        RUNNING.write_text("of another")
    assert RUNNING.read_text() == "of another"


@pytest.mark.parametrize("content", ("", "[]", "{", "{}"))
def test_a_damaged_file_says_nothing(content: str) -> None:
    with remembered(Settings(**DEV)):
        assert load_settings() != Settings()
        RUNNING.write_text(content)
        assert load_settings() == Settings()


def test_a_running_dev_lends_its_key(lend: Lend) -> None:
    lend(with_key(Settings(**DEV), Path("data")))
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
