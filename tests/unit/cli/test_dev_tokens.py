"""`whopays dev token`: what it makes is believed, and grants what was asked for."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.development.issuer import DevIssuer, with_issuer
from cli.program import app
from cli.sending.rights import DEV_ISSUER
from schemas.askers import Asker, Grant, Kind, Names, Role, Unidentified, Verified
from workers.runtime.issuers import read_issuers
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens

ALICE = ("alice", "--role", "account-admin", "--organization", "acme")


def make(*words: str) -> Result:
    return CliRunner().invoke(app, ("dev", "token", *words, "--data-dir", "."))


async def asked(settings: Settings, token: str, later: timedelta = timedelta()) -> Verified | Unidentified:
    async with Tokens(settings) as tokens:
        return await tokens.verify_token(token.encode(), datetime.now(UTC) + later)


async def test_a_token_grants_what_was_asked_for_as_long_as_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = with_issuer(Settings(auth="jwt"), tmp_path)
    words = ("--role", "approver", "--accounts", "main,eu-*", "--accounts", "lab", "--projects", "web")
    made = make(*ALICE, *words, "--valid-for", "10m")
    assert made.exit_code == 0
    lists = ((Kind.ACCOUNTS, Names(frozenset({"main", "lab"}), ("eu-",))), (Kind.PROJECTS, Names(frozenset({"web"}))))
    grants = tuple(Grant("acme", role, lists) for role in (Role.ACCOUNT_ADMIN, Role.APPROVER))
    token = made.stdout.removesuffix("\n")
    found = await asked(settings, token)
    assert isinstance(found, Verified)
    assert found.asker == Asker("alice", DEV_ISSUER, grants)
    assert isinstance(await asked(settings, token, timedelta(minutes=12)), Unidentified)

    again = with_issuer(Settings(auth="jwt"), tmp_path)
    assert isinstance(await asked(again, token), Verified), "the key is kept"
    other = with_issuer(Settings(auth="jwt"), tmp_path / "other")
    assert isinstance(await asked(other, token), Unidentified)


def test_what_is_secret_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    DevIssuer(tmp_path).make()
    made = make(*ALICE, "--out", "token")
    assert (made.exit_code, made.output) == (0, "")
    assert (tmp_path / "token").read_text().count(".") == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    (public,) = json.loads(DevIssuer(tmp_path).jwks.read_text())["keys"]
    assert "d" not in public


def test_an_issuer_of_ones_own_is_kept(tmp_path: Path) -> None:
    own = Settings(auth="jwt", issuers=read_issuers({"https://a.example": {"audiences": ["x"], "jwks": "/k"}}))
    assert with_issuer(own, tmp_path) is own
    trusted = Settings(auth="trusted")
    assert with_issuer(trusted, tmp_path) is trusted
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    (
        (("alice", "--role", "king", "--organization", "acme"), "project-owner"),
        (("system:timer", "--role", "viewer", "--organization", "acme"), "not the name of a person"),
        (("alice", "--role", "viewer", "--organization", "Acme"), "grant nothing"),
        ((*ALICE, "--accounts", "a*b"), "grant nothing"),
        ((*ALICE, "--valid-for", "soon"), "30m"),
        ((*ALICE, *(f"--accounts=a{number:0200d}" for number in range(50))), "8192"),
    ),
)
def test_words_that_would_make_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    DevIssuer(tmp_path).make()
    made = make(*words)
    assert made.exit_code == 2
    assert said in made.stderr


def test_without_a_dev_there_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = make(*ALICE)
    assert made.exit_code == 1
    assert "start that first" in made.stderr
