"""What `whopays dev` says once it is ready: the variables by which others find it, and what to try."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from cli.development.dev import announce
from cli.development.issuer import DevIssuer, with_issuer, write_secret
from cli.development.servers import connection_as, servers
from cli.development.tokens import seconds_of
from cli.terminal.ending import CommandFailed, Misused
from cli.terminal.installation import RUNNING
from embedded.kafka_security import KafkaSecurity
from workers.runtime.settings import Settings

_PLACES: dict[str, Any] = {"database_url": "postgresql://h:1/x", "kafka_bootstrap_servers": "h:2"}


def _announced(settings: Settings, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return the variables, which are the same for people and for programs."""
    announce(settings, as_json=True)
    document: dict[str, str] = json.loads(capsys.readouterr().out)
    announce(settings, as_json=False)
    words = [shlex.split(line) for line in capsys.readouterr().out.splitlines() if line.startswith("export WHOPAYS_")]
    exported = dict(word.split("=", 1) for export, word in (one for one in words if len(one) == 2) if export)
    assert {name: exported[name] for name in document} == document
    return document


def test_what_is_said_finds_the_same_installation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = with_issuer(Settings(**_PLACES, auth="jwt"), tmp_path)
    said = _announced(settings, capsys)
    issuers = json.loads(said.pop("WHOPAYS_ISSUERS"))
    assert [one["jwks"] for one in issuers.values()] == [str(DevIssuer(tmp_path).jwks)]
    assert said == {
        "WHOPAYS_DATABASE_URL": "postgresql://h:1/x", "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS": "h:2", "WHOPAYS_AUTH": "jwt"
    }  # fmt: skip


def test_without_tokens_no_token_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    trusting = Settings(**_PLACES, auth="trusted")
    assert "WHOPAYS_ISSUERS" not in _announced(trusting, capsys)
    announce(trusting, as_json=False)
    without = capsys.readouterr().out
    announce(Settings(**_PLACES, auth="jwt"), as_json=False)
    checking = capsys.readouterr().out
    for words in ("whopays is ready", str(RUNNING), "whopays tail", "whopays send CreateAccount", "whopays account"):
        assert words in without
        assert words in checking
    assert "token" not in without
    assert "whopays dev token alice" in checking
    assert "export WHOPAYS_TOKEN_FILE=.whopays/token" in checking


def test_a_secure_broker_is_found_with_its_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    security = KafkaSecurity(tmp_path, ["developer"])
    settings = Settings(**_PLACES, auth="trusted", **connection_as(security, "developer"))
    said = _announced(settings, capsys)
    assert {name: value for name, value in said.items() if name.startswith("WHOPAYS_KAFKA_S")} == {
        "WHOPAYS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "WHOPAYS_KAFKA_SSL_CA_LOCATION": str(security.authority),
        "WHOPAYS_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
        "WHOPAYS_KAFKA_SASL_USERNAME": "developer",
        "WHOPAYS_KAFKA_SASL_PASSWORD_FILE": str(security.password_file("developer")),
    }
    assert security.passwords["developer"] not in said.values()


def test_a_broker_that_is_given_is_not_made_secure(tmp_path: Path) -> None:
    for given in (Settings(**_PLACES), Settings(kafka_bootstrap_servers="h:2")):
        with pytest.raises(CommandFailed, match="leave one out"), servers(given, tmp_path, print, secure=True):
            raise AssertionError


@pytest.mark.parametrize(
    ("words", "seconds"),
    (("1s", 1), ("90s", 90), ("30m", 1_800), ("8h", 28_800), ("7d", 604_800), ("999999s", 999_999)),
)
def test_how_long_a_token_counts(words: str, seconds: int) -> None:
    assert seconds_of(words) == seconds


@pytest.mark.parametrize("words", ("", "90", "s", "0s", "01s", "1.5h", "1w", "1H", " 1s", "1000000s"))
def test_what_is_no_length_of_time(words: str) -> None:
    with pytest.raises(Misused, match="90s, 30m, 8h or 7d"):
        seconds_of(words)


def test_a_secret_replaces_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for content in ("first", "second"):
        write_secret(file, content)
        assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{content}\n", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_a_key_is_made_once_in_a_folder_of_its_own(tmp_path: Path) -> None:
    issuer = DevIssuer(tmp_path / "a" / "b")
    issuer.make()
    kept = {file.name: file.read_bytes() for file in issuer.folder.iterdir()}
    assert issuer.folder.stat().st_mode & 0o777 == 0o700
    issuer.make()
    assert {file.name: file.read_bytes() for file in issuer.folder.iterdir()} == kept
