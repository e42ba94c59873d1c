"""Nobody is believed by default, and issuers that cannot be trusted are refused before anything starts."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from cli.terminal.failures import in_words
from workers.process import Process
from workers.runtime.issuers import Issuer
from workers.runtime.roles import Role
from workers.runtime.settings import AuthNotConfigured, Settings

_GOOD = {"audiences": ["whopays"], "jwks": "https://login.example/keys"}


def test_there_is_no_default() -> None:
    with pytest.raises(AuthNotConfigured, match="WHOPAYS_AUTH is not set, and has no default") as refused:
        Settings().insist_on_auth()
    assert "WHOPAYS_AUTH=jwt" in str(refused.value)
    assert in_words(refused.value) == str(refused.value), "the command line says it without a traceback"
    assert Settings(auth="trusted").insist_on_auth() == "trusted"


def test_tokens_need_an_issuer() -> None:
    with pytest.raises(AuthNotConfigured, match="WHOPAYS_ISSUERS must name at least one issuer"):
        Settings(auth="jwt").insist_on_auth()


def test_who_reads_commands_needs_to_know_whom_to_believe() -> None:
    with pytest.raises(AuthNotConfigured):
        Process(Settings(), [Role.ADMIN_COMMANDS])


@pytest.mark.parametrize(
    ("said", "words"),
    (([], "must be JSON"), ({"": _GOOD}, "has 1 to 256 visible characters"), ({"a\n": _GOOD}, "visible characters")),
)
def test_what_names_no_issuers(said: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings(issuers=said)  # type: ignore[arg-type]


def test_issuers_are_taken_over_and_told_as_they_were_said() -> None:
    said = {"b": {"audiences": ["y", "x"], "jwks": "/keys.json"}, "a": _GOOD}
    settings = Settings(issuers=said)  # type: ignore[arg-type]
    assert Settings(issuers=settings.issuers).issuers == settings.issuers
    assert settings.model_dump()["issuers"] == {"b": {"audiences": ["x", "y"], "jwks": "/keys.json"}, "a": _GOOD}
    assert (settings.issuers["b"].path, settings.issuers["a"].path) == (Path("/keys.json"), None)


def test_issuers_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOPAYS_ISSUERS", json.dumps({"https://login.example": _GOOD}))
    expected = Issuer("https://login.example", frozenset({"whopays"}), "https://login.example/keys")
    assert Settings().issuers == {"https://login.example": expected}


@pytest.mark.parametrize("jwks", ("/etc/keys.json", "http://127.0.0.1:9/keys", "http://[::1]/k", "http://localhost/k"))
def test_where_keys_may_be(jwks: str) -> None:
    assert Settings(issuers={"me": {**_GOOD, "jwks": jwks}}).issuers["me"].jwks == jwks  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("issuer", "words"),
    (
        ({**_GOOD, "jwks": "http://login.example/keys"}, "over https"),
        ({**_GOOD, "jwks": "http://127.0.0.1.example/keys"}, "over https"),
        ({**_GOOD, "jwks": "file:///etc/keys.json"}, "a URL of a host"),
        ({**_GOOD, "jwks": "ftp://login.example/keys"}, "over https"),
        ({**_GOOD, "jwks": "https://me:secret@login.example/keys"}, "without a user"),
        ({**_GOOD, "jwks": "https://login.example:99999/keys"}, "not a URL"),
        ({**_GOOD, "jwks": ""}, "the path of a file, or an https URL"),
        ({**_GOOD, "audiences": []}, "audiences"),
        ({**_GOOD, "audiences": "whopays"}, "audiences"),
        ({**_GOOD, "audiences": [7]}, "audiences"),
        ({**_GOOD, "audiences": ["whopays", 7]}, "audiences is a list of names"),
        ({**_GOOD, "audiences": [""]}, "audiences is a list of names"),
        ({**_GOOD, "audiences": {}}, "audiences is a list of at least one"),
        ({**_GOOD, "jwks": 7}, "the path of a file, or an https URL"),
        ({"jwks": "/etc/keys.json"}, "needs audiences and jwks"),
        ({**_GOOD, "audience": ["whopays"]}, "needs audiences and jwks"),
        ("https://login.example/keys", "needs audiences and jwks"),
    ),
)
def test_issuers_that_are_refused(issuer: object, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(issuers={"https://login.example": issuer})  # type: ignore[dict-item]
    said = in_words(refused.value)
    assert said is not None
    assert "WHOPAYS_ISSUERS: " in said
    assert words in said
    assert "secret" not in said
