"""Secrets that come from files, as systemd and Kubernetes hand them over."""

import json
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.terminal.installation import database_address, load_settings, running_here
from db.sealing import fresh_key
from tests.unit.cli.test_installation import folder, lend
from workers.runtime.secret_files import MAY_BE_SECRET, SecretFileRefused, SecretFiles, secret_settings
from workers.runtime.settings import Settings, unknown_variables

__all__ = ["folder", "lend"]


def _write(name: str, content: str | bytes) -> str:
    path = Path(name).absolute()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def _secrets() -> dict[str, tuple[str, object]]:
    """Return, for each setting that can come from a file, what the file says and what comes of it."""
    key = fresh_key()
    return {
        "database_url": ("postgresql://me:secret@db/x", "postgresql://me:secret@db/x"),
        "database_password": ("a/b@c d%", None),
        "encryption_keys": (json.dumps({"a": key}), {"a": SecretStr(key)}),
    }


def test_which_settings_these_are() -> None:
    assert set(_secrets()) <= secret_settings(Settings.model_fields)


@pytest.mark.parametrize("where", ("environment", ".env"))
@pytest.mark.parametrize("end", ("", "\n", "\r\n"))
@pytest.mark.parametrize("name", _secrets())
def test_a_secret_is_what_its_file_contains(name: str, end: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, expected = _secrets()[name]
    if name == "encryption_keys":
        expected = {key_id: SecretStr(key) for key_id, key in json.loads(content).items()}
    path = _write("secret", content + end)
    if where == ".env":
        Path(".env").write_text(f"whopays_{name}_file={path}\n")
    else:
        monkeypatch.setenv(f"WHOPAYS_{name}_FILE".upper(), path)
    assert getattr(load_settings(), name) == expected
    assert unknown_variables() == []


def test_a_password_completes_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOPAYS_DATABASE_URL", "postgresql://me@db/x?sslmode=require")
    monkeypatch.setenv("WHOPAYS_DATABASE_PASSWORD_FILE", _write("password", "a/b@c d%\n"))
    expected = "postgresql://me@db/x?sslmode=require&password=a%2Fb%40c%20d%25"
    assert load_settings().database_url == expected
    assert database_address() == expected
    assert "a/b" not in repr(load_settings())
    assert "a%2Fb" not in repr(load_settings())


def test_a_password_in_the_address_and_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOPAYS_DATABASE_URL", "postgresql://me:secret@db/x")
    monkeypatch.setenv("WHOPAYS_DATABASE_PASSWORD", "other")
    with pytest.raises(ValueError, match="has a password already") as refused:
        load_settings()
    assert "secret" not in str(refused.value)
    assert "other" not in str(refused.value)


@pytest.mark.parametrize("name", _secrets())
def test_a_secret_given_as_a_value_and_as_a_file_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, _ = _secrets()[name]
    monkeypatch.setenv(f"WHOPAYS_{name}".upper(), content)
    monkeypatch.setenv(f"WHOPAYS_{name}_FILE".upper(), _write("secret", content))
    with pytest.raises(SecretFileRefused, match=f"WHOPAYS_{name.upper()} and WHOPAYS_{name.upper()}_FILE are both"):
        load_settings()


@pytest.mark.parametrize(
    ("content", "words"),
    (
        (None, "cannot be read .No such file"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"{secret", "does not contain JSON"),
    ),
)
def test_a_file_that_cannot_be_used(content: bytes | None, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/nowhere/secret" if content is None else _write("secret", content)
    monkeypatch.setenv("WHOPAYS_ENCRYPTION_KEYS_FILE", path)
    with pytest.raises(SecretFileRefused, match=f"WHOPAYS_ENCRYPTION_KEYS_FILE: the file {path} {words}") as refused:
        load_settings()
    assert "{secret" not in str(refused.value)


def test_an_address_in_a_file_goes_before_a_running_dev(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOPAYS_DATABASE_URL_FILE", _write("address", "postgresql://production/x\n"))
    Path(".whopays").mkdir()
    assert running_here() == {}
    assert database_address() == "postgresql://production/x"


def test_a_new_setting_has_its_file_by_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="LATER_")
        broker_password: SecretStr | None = None
        by_name: dict[str, SecretStr] = {}
        address: Annotated[str, MAY_BE_SECRET] = ""
        port: int = 0

    assert secret_settings(Later.model_fields) == {"broker_password", "by_name", "address"}
    source = SecretFiles(Later, {"later_broker_password_file": _write("one", "secret\n")})
    assert source() == {"broker_password": "secret"}
    path = _write("two", '{"a": "b"}\n')
    source = SecretFiles(Later, {"later_by_name_file": path, "later_address_file": path})
    found = [source.get_field_value(field, name) for name, field in Later.model_fields.items()]
    assert found == [
        (None, "broker_password", False),
        ({"a": "b"}, "by_name", True),
        ('{"a": "b"}', "address", False),
        (None, "port", False),
    ]
