"""What `whopays token check` says of a token that holds, and of a file that holds none; nobody is asked."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.operating.token_check import _document, _lines, _token
from cli.program import app
from cli.terminal.ending import CommandFailed
from schemas.askers import Asker, Grant, Kind, Names, Role, Unidentified, Verified

_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
_VIEWER = Grant("acme", Role.VIEWER, ((Kind.ACCOUNTS, Names(frozenset({"main", "lab"}), ("eu-",))),))
_WHO = [("who", "ada, by idp"), ("until", "2027-01-31T12:00:00.000000Z")]


@pytest.mark.parametrize(
    ("grants", "ignored", "command", "lines"),
    (
        ((), 0, None, [("grants", "nothing")]),
        (None, 0, None, [("grants", "nothing")]),
        ((), 2, None, [("grants", "nothing"), ("ignored", "2 grants of an unknown form")]),
        ((Grant("*", Role.OPERATOR),), 0, None, [("grants", "operator in *")]),
        (
            (_VIEWER, Grant("acme", Role.AUDITOR)),
            0,
            ("/ci", "c1"),
            [
                ("for", "the command c1 of /ci alone"),
                ("grants", "viewer in acme: accounts lab, main, eu-*"),
                ("grants", "auditor in acme"),
            ],
        ),
    ),
)
def test_what_it_grants(
    grants: tuple[Grant, ...] | None, ignored: int, command: tuple[str, str] | None, lines: list[tuple[str, str]]
) -> None:
    found = Verified(Asker("ada", "idp", grants, ignored), _NOON, command)
    assert [(name, said.plain) for name, said in _lines(found)] == _WHO + lines
    said = _document(found)
    assert (said["holds"], said["person"], said["issuer"], said["ignoredGrants"]) == (True, "ada", "idp", ignored)
    assert said["command"] == (command and {"source": command[0], "id": command[1]})
    documents: list[dict[str, Any]] = [{"organization": one.organization, "role": one.role} for one in grants or ()]
    if _VIEWER in (grants or ()):
        documents[0]["accounts"] = ["lab", "main", "eu-*"]
    assert said["grants"] == documents


def test_why_it_is_refused() -> None:
    assert _document(Unidentified("it is too old")) == {"holds": False, "why": "it is too old"}


def test_a_token_is_all_that_its_file_holds(tmp_path: Path) -> None:
    token = b"t" * 5000
    (tmp_path / "token").write_bytes(b" " + token + b"\n")
    assert _token(str(tmp_path / "token")) == token


@pytest.mark.parametrize(
    ("file", "why"),
    (("no-such-file", "No such file or directory"), (".", "Is a directory"), ("a\0b", "it is not a file name")),
)
def test_a_file_that_cannot_be_read(file: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandFailed, match=f"^The file of the token cannot be read: {why}\\.\n.*never the token"):
        _token(file)


def test_where_no_issuer_is_named_no_token_can_hold() -> None:
    ran = CliRunner().invoke(app, ("token", "check"), input="a.b.c", env={"WHOPAYS_ISSUERS": "{}"})
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "WHOPAYS_ISSUERS names no issuer" in ran.stderr


def test_the_roles_that_commands_need_are_shown() -> None:
    ran = CliRunner().invoke(app, ("roles",))
    shown = {line.split()[0]: " ".join(line.split()[1:]) for line in ran.stdout.splitlines()}
    assert list(shown)[1:] == sorted(list(shown)[1:])
    for command, needs in (
        ("BindProject", "project-owner of project, and account-user or account-admin of account"),
        ("CreateAccount", "account-admin of account, and account-admin of paymentProfile (if named)"),
        ("SetDefaultAccount", "account-admin of the whole organization"),
        ("SuspendAccount", "operator of account (payments suffices where reason is PaymentFailure)"),
    ):
        assert shown[command] == needs
