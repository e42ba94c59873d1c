"""The demonstration as it is played, without its servers: its whole story, whoever listens, and where it stops.

`python -m tests.unit.cli.test_demo_played` writes the story.
"""

import asyncio
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.demo.audience import Audience
from cli.demo.performance import _take
from cli.demo.story import STORY, Step, message_of
from cli.terminal.ending import CommandFailed
from workers.exchange import Answer
from workers.runtime.settings import Settings

_KEPT = Path(__file__).with_name("story.txt")
_RESULT = "io.milo.billing.CommandCompleted.v1"
_CHANGE = "io.milo.billing.BindingChanged.v1"


def _story() -> str:
    """Return what is sent, a line each, by chapters."""
    lines = []
    for chapter in STORY:
        lines.append(chapter.title)
        for step in chapter.steps:
            marks = " explained" * step.is_explained + " repeats" * step.repeats
            lines.append(f"  {step.who} {step.name} {step.organization} {json.dumps(dict(step.members))}{marks}")
    return "\n".join(lines) + "\n"


def test_the_story_is_as_it_was_told() -> None:
    assert _story() == _KEPT.read_text(encoding="utf-8"), "look at it; python -m tests.unit.cli.test_demo_played"


def _event(place: str, time: str, cause: str, type_: str = _CHANGE) -> dict[str, Any]:
    return {"id": place, "time": time, "causationid": cause, "type": type_}


async def test_whoever_listens_waits_for_what_a_message_caused() -> None:
    audience = Audience(Settings())
    audience._heard += [_event("0-9", "3", "c"), _event("0-10", "3", "c"), _event("1-1", "2", "d")]
    waiting = asyncio.create_task(audience.hear("c", 3))
    for event in (_event("0-11", "4", "c", _RESULT), _event("0-7", "1", "c")):
        await asyncio.sleep(0)
        assert not waiting.done(), "a result is none of them"
        async with audience._news:
            audience._heard.append(event)
            audience._news.notify_all()
    assert [one["id"] for one in await waiting] == ["0-7", "0-9", "0-10"]
    assert [one["id"] for one in audience.heard] == ["0-7", "1-1", "0-9", "0-10", "0-11"]
    assert await audience.hear("x", 0) == []


class _Exchange:
    """An exchange by which everything is answered so."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def send(self, *_: Any) -> Answer:
        return self._answer


_COMPLETED = {
    "data": {
        "organization": "acme",
        "commandId": "c",
        "commandSource": "/console",
        "fingerprint": "f",
        "commandType": "io.milo.billing.BindProject.v1",
        "dryRun": False,
        "outcome": "Applied",
        "violations": [],
        "violationCount": 0,
        "events": [],
        "eventCount": 2,
    }
}
_BIND = Step("Ada binds it.", "ada", "BindProject", "acme", {"project": "web", "account": "main"})
_PROJECT = Step("It is there.", "resource-manager", "ProjectChanged", "acme", {"project": "web", "version": 1})


@pytest.mark.parametrize(
    ("step", "answer", "waits_for"),
    (
        (_BIND, Answer("t/0/1", is_handled=True, result=_COMPLETED), 2),
        (_PROJECT, Answer("t/0/1", is_handled=True, events=[{}]), 1),
        (_PROJECT, Answer("t/0/1", is_handled=True), 0),
        (_BIND, Answer("t/0/1", is_handled=True), None),
        (_BIND, Answer("t/0/1", is_handled=False, result=_COMPLETED), None),
        (_PROJECT, Answer("t/0/1", is_handled=False), None),
        (_PROJECT, Answer("t/0/1", is_handled=True, dead_letter={"reason": "Undecodable"}), None),
    ),
)
async def test_the_story_stops_where_something_is_not_answered(
    step: Step, answer: Answer, waits_for: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def hear(_: Audience, *words: Any) -> list[dict[str, Any]]:
        asked.append(words)
        return []

    monkeypatch.setattr(Audience, "hear", hear)
    screen = Console(file=StringIO())
    exchange: Any = _Exchange(answer)
    taking = _take(step, message_of(step, 1), exchange, Audience(Settings()), screen)
    assert isinstance(screen.file, StringIO)
    if waits_for is None:
        with pytest.raises(CommandFailed, match=rf"^The story stopped: {step.name} of acme was not answered\.$"):
            await taking
        assert asked == []
    else:
        await taking
        assert asked == [("acme-01", waits_for)]
        assert step.says in screen.file.getvalue()


if __name__ == "__main__":
    _KEPT.write_text(_story(), encoding="utf-8")
