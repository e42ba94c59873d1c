"""The token that a command is sent with: from a file or a program, and in no message."""

import sys
from pathlib import Path
from shlex import quote
from subprocess import TimeoutExpired

import pytest

from cli.sending.tokens import token_of
from cli.terminal.ending import CommandFailed, Misused

TOKEN = "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"


def printing(text: str, status: int = 0) -> str:
    """Return the command of a program that prints a text."""
    return f"{quote(sys.executable)} -c {quote(f'print({text!r}, end=str()); raise SystemExit({status})')}"


@pytest.mark.parametrize("around", (("", ""), ("", "\n"), (" ", "\r\n")))
def test_a_token_is_read(tmp_path: Path, around: tuple[str, str]) -> None:
    said = around[0] + TOKEN + around[1]
    (tmp_path / "token").write_text(said)
    assert token_of(str(tmp_path / "token"), None) == token_of(None, printing(said)) == TOKEN
    assert token_of(None, None) is None


@pytest.mark.parametrize(
    ("command", "why"),
    (
        (printing("not-a-token"), "not a token"),
        (printing(f"{TOKEN} {TOKEN}"), "not a token"),
        (printing(""), "not a token"),
        (printing("secret", 3), f"--token-command: {sys.executable} ended with status 3"),
        ("/no/such/program secret", "cannot be started"),
        (f"echo {TOKEN}; rm -rf secret", "not a token"),
    ),
)
def test_a_program_that_prints_none(command: str, why: str) -> None:
    with pytest.raises(CommandFailed, match=why) as failed:
        token_of(None, command)
    assert not any(word in str(failed.value) for word in ("secret", "not-a-token", TOKEN[4:]))


def test_a_program_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(words: list[str], **_: object) -> None:
        raise TimeoutExpired(words, 300.0)

    monkeypatch.setattr("subprocess.run", runs)
    with pytest.raises(CommandFailed, match=r"^--token-command: keyring printed no token in 300 s\.$"):
        token_of(None, "keyring secret")


@pytest.mark.parametrize(("file", "command"), (("token", "cat token"), (None, ""), (None, "cat 'token")))
def test_what_is_typed_wrong(file: str | None, command: str) -> None:
    with pytest.raises(Misused):
        token_of(file, command)
