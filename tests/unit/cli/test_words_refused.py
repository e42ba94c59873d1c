"""Questions whose words alone show that they cannot be right; the others are put to the database."""

import pytest
from typer.testing import CliRunner

from cli.program import app

_WRONG = (
    (("intervals", "acme"), "Name a project, or an account with --account: one of the two."),
    (("intervals", "acme", "web", "--account", "lab"), "Name a project, or an account with --account: one of the two."),
    (
        ("intervals", "acme", "web", "--from", "2027-01-01T00:00:00Z", "--until", "2027-01-01T00:00:00Z"),
        "--until 2027-01-01T00:00:00Z is not after --from 2027-01-01T00:00:00Z: the period is empty.",
    ),
    (
        ("audit", "acme", "--since", "2027-01-02T00:00:00Z", "--until", "2027-01-01T00:00:00Z"),
        "--until 2027-01-01T00:00:00Z is not after --since 2027-01-02T00:00:00Z: the period is empty.",
    ),
    (("changes", "acme", "--type", "Nothing"), "--type Nothing: not a type of event; these are "),
    (("changes", "acme", "--watch", "--after", "3"), "--after 3: not the id of an event, such as 3-17."),
    (("who", "acme", "web", "--watch", "--at", "2027-01-01T00:00:00Z"), "--watch is about now: leave out --at."),
    (("projects", "acme", "--at", "now"), "--at now: not an instant with offset, such as 2027-01-31T12:00:00Z."),
    (("accounts", "acme", "--after", "a/b"), "--after a/b: not a place in this list; take it from the page before."),
    (("tail", "--topic", "projects"), "projects is not an output topic of this installation; these are "),
    (("dead-letters", "list", "--since", "now"), "--since now: not an instant with offset"),
    (("export", "intervals", "--from", "2027-01-02T00:00:00Z", "--until", "2027-01-01T00:00:00Z", "--format", "csv"),
     "--until 2027-01-01T00:00:00Z is not after --from 2027-01-02T00:00:00Z: the period is empty."),
    (("export", "intervals", "--from", "2027-01-01T00:00:00Z", "--until", "2027-01-02T00:00:00Z", "--format",
      "parquet"), "Parquet is not written to standard output: name a file with --out"),
)  # fmt: skip


@pytest.mark.parametrize(("words", "said"), _WRONG)
def test_questions_that_cannot_be_right(words: tuple[str, ...], said: str) -> None:
    ended = CliRunner().invoke(app, words)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in " ".join(ended.stderr.split())


@pytest.mark.parametrize(
    "words",
    (
        ("intervals", "acme", "web", "--from", "2027-01-02T00:00:00Z"),
        ("intervals", "acme", "--account", "lab", "--until", "2027-01-02T00:00:00Z"),
        ("audit", "acme", "--since", "2027-01-02T00:00:00Z"),
        ("audit", "acme", "--until", "2027-01-02T00:00:00Z"),
        ("changes", "acme", "--type", "BindingChanged", "--after", "3-17"),
    ),
)
def test_questions_that_can_be_right_are_put_to_the_database(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHOPAYS_DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 1
    assert "PostgreSQL at postgresql://127.0.0.1:1/nowhere cannot be used: " in ended.stderr
