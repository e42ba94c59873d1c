"""What the demonstration shows of its story: who says what, how it is answered, what comes of it, and what to try."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.demo import telling
from cli.demo.instants import Question, questions_about
from cli.demo.story import GRANTS, PROJECTS, STORY, Step, message_of
from cli.terminal.screen import UNLIMITED
from db.questions.intervals import TimelineEntry
from workers.exchange import Answer

_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
_BOUND = {
    "type": "io.milo.billing.BindingChanged.v1", "subject": "acme/web", "time": "2027-01-31T12:00:00.000000Z",
    "sequence": "00000000000000000007",
    "data": {"change": "Bound", "previous": None, "current": {"account": "main"}},
}  # fmt: skip
_ACCOUNT = _BOUND | {"type": "io.milo.billing.AccountChanged.v1", "data": {"version": 3, "phase": "Ready"}}


def _told(tell: Callable[[Console], None]) -> list[str]:
    """Return the lines that are shown, without blanks around them and without empty ones."""
    screen = Console(file=StringIO(), width=UNLIMITED)
    tell(screen)
    assert isinstance(screen.file, StringIO)
    return [line.strip() for line in screen.file.getvalue().splitlines() if line.strip()]


def _step(answer: Answer, *caused: Mapping[str, Any], is_explained: bool = False) -> list[str]:
    step = Step(
        "Ada binds it.", "ada", "BindProject", "acme", {"project": "web", "expectedAccount": None}, is_explained
    )
    message = message_of(step, 1)
    message.event["data"] |= {"kind": "unsaid", "terms": {"netDays": 30}}
    said, who, *rest = _told(lambda screen: telling.show_step(screen, step, message, answer, caused))
    assert said == "Ada binds it."
    assert who.split(None, 1) == [
        "ada", "BindProject  acme project=web, expectedAccount=null, terms={netDays: 30}"
    ]  # fmt: skip
    return rest


def _result(outcome: str) -> dict[str, Any]:
    return {
        "data": {
            "organization": "acme", "commandId": "c", "commandSource": "/console", "fingerprint": "f",
            "commandType": "io.milo.billing.BindProject.v1", "dryRun": False, "outcome": outcome, "violations": [],
            "violationCount": 0, "events": [], "eventCount": 0,
        }
    }  # fmt: skip


def test_each_step_shows_its_answer_and_what_came_of_it() -> None:
    answer = Answer("t/0/1", is_handled=True, result=_result("Applied"))
    assert _step(answer, _ACCOUNT, _BOUND) == ["✔ Applied", "→ acme/web: Bound: nobody → main"]
    assert _step(Answer("t/0/1", is_handled=True)) == ["noted; nothing follows"]
    assert _step(Answer("t/0/1", is_handled=True), _BOUND) == ["→ acme/web: Bound: nobody → main"]


def test_a_repeated_command_changes_nothing() -> None:
    answer = Answer("t/0/1", is_handled=True, result=_result("Applied"), is_repeat=True)
    assert _step(answer, _BOUND) == ["= Applied  the earlier answer; nothing was changed or published"]


def test_an_explained_step_shows_the_whole_result() -> None:
    answer = Answer("t/0/1", is_handled=True, result=_result("Rejected"))
    explained = " ".join(_step(answer, is_explained=True))
    assert "Rejected" in explained
    assert "✔" not in explained
    assert "BindProject" in explained


def test_events_are_listed_topic_by_topic_in_the_order_of_their_subjects() -> None:
    other = _BOUND | {"subject": "acme/app"}
    title, *lines = _told(lambda screen: telling.list_events(screen, [_BOUND, _ACCOUNT, other]))
    assert "The 3 events that were read from Kafka" in title
    assert [line.split("  ")[0] for line in lines if " event" in line] == [
        "bindings", "accounts", "notices", "command-results"
    ]  # fmt: skip
    assert lines[:4] == [
        "bindings  2 events",
        "12:00:00.000   #7 BindingChanged       acme/app  Bound: nobody → main",
        "12:00:00.000   #7 BindingChanged       acme/web  Bound: nobody → main",
        "accounts  1 event",
    ]


def test_what_a_replay_adds_up_is_compared() -> None:
    live = {("acme", "b"): timedelta(seconds=2), ("acme", "a"): timedelta(seconds=1)}
    again = {("acme", "b"): timedelta(seconds=2), ("acme", "c"): timedelta(seconds=1)}
    lines = _told(lambda screen: telling.compare(screen, "replay-demo", live, again))
    assert "All of it, replayed" in lines[0]
    assert "replay-demo" in lines[1]
    assert [" ".join(line.split()) for line in lines[3:]] == [
        "acme/a 0:00:01 nothing differs", "acme/b 0:00:02 0:00:02 equal", "acme/c nothing 0:00:01 differs"
    ]  # fmt: skip


def test_questions_are_shown_with_their_answers() -> None:
    asked = [Question(("acme", "web"), None, "w"), Question(("acme", "web"), _NOON, "")]
    lines = _told(lambda screen: telling.answer_questions(screen, asked, ["main", None]))
    assert [" ".join(line.split()) for line in lines[-2:]] == [
        "acme/web now main w", "acme/web 2027-01-31T12:00:00.000000Z nobody"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("called", "installed", "words"),
    (
        ("whopays", False, "whopays"),
        (".venv/bin/whopays", False, ".venv/bin/whopays"),
        ("/opt/whopays", False, "/opt/whopays"),
        (".venv/bin/whopays", True, "whopays"),
        ("/usr/bin/pytest", False, "whopays"),
    ),
)
def test_commands_are_named_as_this_one_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str, installed: bool, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if installed:
        (tmp_path / "whopays").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    path = called if called == "whopays" else str(tmp_path / called)
    monkeypatch.setattr("sys.argv", [path, "demo", "x"])
    concluded = _told(lambda screen: telling.conclude(screen, Path("my data"), 12.4))
    assert "in 12 seconds" in " ".join(concluded)
    assert f"{words} dev --data-dir 'my data'" in concluded
    assert sum(line.startswith(f"{words} ") for line in concluded) == 8
    invited = _told(lambda screen: telling.invite(screen, "http://h:1"))
    assert "http://h:1/#/acme/projects/rocket" in invited
    assert sum(line.startswith(f"{words} ") for line in invited) == 3


def test_questions_are_asked_at_the_ends_of_intervals() -> None:
    def entry(account: str, begins: int, ends: int | None) -> TimelineEntry:
        until = None if ends is None else _NOON + timedelta(hours=ends)
        return TimelineEntry(1, "b", account, _NOON + timedelta(hours=begins), until)

    timelines = {
        ("acme", "rocket"): (entry("main", 0, 2), entry("research", 2, None)),
        ("acme", "website"): (entry("main", 1, None),),
        ("globex", "portal"): (entry("hq", 0, 3), entry("hq", 4, None)),
    }
    before = timedelta(microseconds=1)
    assert [(one.project[1], one.at) for one in questions_about(timelines)] == [
        ("rocket", _NOON + timedelta(hours=2) - before),
        ("rocket", _NOON + timedelta(hours=2)),
        ("rocket", None),
        ("website", _NOON + timedelta(hours=1) - before),
        ("website", None),
        ("portal", _NOON + timedelta(hours=3)),
        ("portal", None),
    ]
    without_gap = timelines | {("globex", "portal"): (entry("hq", 0, None), entry("hq", 4, None))}
    assert questions_about(without_gap)[5].at == _NOON + timedelta(hours=4)


def test_the_story_is_told_by_those_who_may() -> None:
    steps = [step for chapter in STORY for step in chapter.steps]
    messages = [message_of(step, number) for number, step in enumerate(steps, 1) if not step.repeats]
    assert len({message.event["id"] for message in messages}) == len(messages)
    assert {message.event["authid"] for message in messages if message.is_command} == GRANTS.keys()
    assert {message.event["source"] for message in messages if message.is_command} == {"/console"}
    assert {message.event["source"] for message in messages if not message.is_command} == {
        "/payments", "/resource-manager"
    }  # fmt: skip
    told = {(step.organization, step.members["project"]) for step in steps if step.name == "ProjectChanged"}
    assert told == set(PROJECTS)
    assert message_of(steps[0], 3, "t").token == "t"
    assert message_of(steps[0], 3).event["id"] == "acme-03"
