"""What `whopays send` adds to its words, and what it says where no answer comes; nobody is reached for it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.program import app
from cli.sending.send import _attributes, _content, _document, _unanswered
from cli.terminal.ending import CommandFailed
from schemas.topics import Topic
from workers.exchange import Answer, Message
from workers.runtime.settings import Settings

_COMMAND = Message(
    {"id": "c1", "source": "/cli", "type": "io.milo.billing.BindProject.v1", "data": {"organization": "acme"}},
    Topic.ADMIN_COMMANDS,
    "the token",
)
_FACT = Message(_COMMAND.event | {"type": "io.milo.billing.ProjectChanged.v1"}, Topic.PROJECTS, "the token")


def _said(content: dict[str, Any], *said: str | None, again: bool = False, is_known: bool = False) -> dict[str, Any]:
    authid, id_, source = said or (None, None, None)
    return _attributes(content, authid, id_, source, again=again, is_known=is_known)


def test_defaults_are_added_to_what_was_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    found = _said({})
    assert len(found.pop("id")) == 36
    assert found == {"answer": None, "authid": "ada", "source": "/cli"}
    assert _said({})["id"] != _said({})["id"]
    assert _said({}, again=True)["answer"] == "again"
    assert _said({}, is_known=True)["authid"] is None, "the token says who asks"
    assert _said({}, "bob", "c1", "/x", is_known=True) == {"answer": None, "authid": "bob", "id": "c1", "source": "/x"}


def test_what_a_whole_event_says_stays() -> None:
    event = {"specversion": "1.0", "id": "e1", "source": "/desk"}
    found = _said(event)
    assert (found["id"], found["source"]) == (None, None)
    assert found["authid"]
    assert _said(event, None, "c2", None)["id"] == "c2"
    assert _said({"id": "a member of the data"})["source"] == "/cli"
    assert len(_said({"id": "a member of the data"})["id"]) == 36


def test_whose_name_the_system_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert _said({})["authid"] == "uid-4000000"


def test_the_content_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "message"
    assert _content(None) == {}
    file.write_text('{"a": 1}')
    assert _content(str(file)) == {"a": 1}
    for text, why in ((" \n", "is empty"), ("[]", ""), ('{"a": 1, "a": 2}', "the same member twice")):
        file.write_text(text)
        with pytest.raises(CommandFailed, match=f"--file {file}: .*{why}"):
            _content(str(file))
    with pytest.raises(CommandFailed, match=r"cannot be read \(No such file"):
        _content(str(tmp_path / "none"))


def test_a_message_as_a_record() -> None:
    assert (_COMMAND.name, _COMMAND.organization, _COMMAND.key) == ("BindProject", "acme", b"acme")
    assert json.loads(_COMMAND.value) == _COMMAND.event
    content_type = ("content-type", b"application/cloudevents+json")
    assert [(name, value.partition(b";")[0]) for name, value in _COMMAND.headers] == [
        content_type,
        ("authorization", b"Bearer the token"),
    ]
    assert [(name, value.partition(b";")[0]) for name, value in _FACT.headers] == [content_type]
    assert "the token" not in repr(_COMMAND)
    others: tuple[Any, ...] = (None, [], {}, {"organization": 7})
    for data in others:
        of_nobody = Message(_COMMAND.event | {"data": data}, Topic.ADMIN_COMMANDS)
        assert (of_nobody.organization, of_nobody.key) == (None, None)
        assert len(of_nobody.headers) == 1


def test_for_programs() -> None:
    result: dict[str, Any] = {"data": {}}
    letter = {"data": {"reason": "X"}}
    answer = Answer("t/0/1", True, result, is_repeat=True, dead_letter=letter, events=[{"id": "1-1"}])
    assert _document(_COMMAND, answer, {"account": "lab"}, is_answered=True) == {
        "id": "c1", "source": "/cli", "place": "t/0/1", "answered": True, "answeredBefore": True, "result": result,
        "account": {"account": "lab"}, "deadLetter": letter, "events": [{"id": "1-1"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "is_dry", "is_interim"),
    (("Waiting", False, True), ("Scheduled", False, True), ("Scheduled", True, False), ("Applied", False, False)),
)
def test_which_answers_are_followed_by_others(outcome: str, is_dry: bool, is_interim: bool) -> None:
    assert Answer("t/0/1", True, {"data": {"outcome": outcome, "dryRun": is_dry}}).is_interim is is_interim
    assert Answer("t/0/1", True).is_interim is False


def test_where_no_answer_came() -> None:
    settings = Settings(topic_prefix="t.", installation="here")
    late = _unanswered(_COMMAND, Answer("t/0/1", True), settings, 2.5)
    assert late == (
        "The service has decided, but has not published its answer within 2.5 s.\n"
        "Is the relay running (whopays run --only relay)? The answer is kept: whopays result acme c1"
    )
    nothing = _unanswered(_COMMAND, Answer("t/0/1", False), settings, 30)
    assert nothing == (
        "No answer within 30 s. The message is at t/0/1 and will be handled.\n"
        "Is the service running (whopays run, or whopays dev), with WHOPAYS_TOPIC_PREFIX=t. and "
        "WHOPAYS_INSTALLATION=here?\nAsk later: whopays result acme c1"
    )
    assert _unanswered(_FACT, Answer("t/0/1", False), settings, 30) == nothing.removesuffix(
        "\nAsk later: whopays result acme c1"
    )


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, ("send", *words))


@pytest.mark.parametrize(
    ("words", "said"),
    (
        (("ProjectChanged", "--organization", "acme", "--dry-run"), "ProjectChanged is a fact: --dry-run is for comma"),
        (("ProjectChanged", "--organization", "acme", "--again"), "ProjectChanged is a fact: --again is for commands"),
        (("BindProject",), "Say whose it is: --organization ORG."),
        (("BindProject", "account"), "'account' is not MEMBER=VALUE."),
    ),
)
def test_words_that_cannot_be_right(words: tuple[str, ...], said: str) -> None:
    ended = _run(*words)
    assert ended.exit_code == 2
    assert said in " ".join(ended.stderr.split())
