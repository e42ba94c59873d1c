"""What is said of a replay: in the list of all, by itself, and by the status that a command ends with."""

import contextlib
import os
import pty
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from typing import Any

import pytest
import typer
from rich.console import Console
from rich.progress import Progress as Bars
from typer.testing import CliRunner

from cli.operating import replaying
from cli.operating.replay import STOPPED, _conclude
from cli.operating.replaying import card_of, listing_of, share_of, shown_replaying
from cli.program import app
from cli.terminal.ending import CommandFailed
from cli.terminal.screen import UNLIMITED
from db.replays import KeptReplay
from schemas.replays import ReplayState as State
from schemas.replays import Selection, selection_of
from tests.unit.cli.drawing import drawn
from workers.replaying.tally import Progress

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
_RUNNING = KeptReplay(
    name="again", selection=Selection(), target="replay.again", target_id=None, partitions=1, asked_partitions=None,
    until=_NOON, available_from=None, spans={0: (10, 1_010), 1: (5, 10)}, rate=None, is_detached=False,
    state=State.RUNNING, trouble=None, owner=None, is_leased=False, records=12_345, looked_at=1_001,
    begun_at=_NOON.replace(hour=13), forgotten_at=None, manifest=None,
)  # fmt: skip
_DONE = replace(
    _RUNNING, state=State.DONE, manifest={"types": {"io.milo.billing.AccountChanged.v1": 1_234}}, partitions=6
)


def _card(**said: Any) -> list[str]:
    replay = said.pop("of", _RUNNING)
    return [" ".join(line.split()) for line in drawn([card_of(replace(replay, **said))], UNLIMITED).splitlines()]


def test_how_far_a_replay_is() -> None:
    assert _card() == [
        "again running",
        "selected everything",
        "until 2027-01-31T12:00:00.000000Z",
        "topic replay.again, 1 partition",
        "records 12,345",
        "looked at 1,001 of 1,005 positions",
    ]
    assert "looked at" not in " ".join(_card(spans={}))


def test_what_came_of_a_replay() -> None:
    said = _card(of=_DONE)
    assert said[0] == "again done"
    assert said[-3:] == ["topic replay.again, 6 partitions", "records 12,345", "AccountChanged 1,234"]
    assert _card(of=_DONE, forgotten_at=_NOON)[0] == "again done, and its topic removed"


def test_what_a_replay_selects_and_what_troubles_it() -> None:
    said = _card(
        selection=selection_of(organization="acme", types=["BindingChanged"]),
        available_from=_NOON, trouble="no broker", state=State.FAILED,
    )  # fmt: skip
    assert said[0] == "again failed"
    assert "organization acme" in said[1]
    assert "type io.milo.billing.BindingChanged.v1" in said[1]
    assert "available from 2027-01-31T12:00:00.000000Z" in said
    assert "trouble no broker" in said


def test_a_replay_in_the_list() -> None:
    begun, until = "2027-01-31T13:00:00.000000Z", "2027-01-31T12:00:00.000000Z"
    names, row = (line.split() for line in drawn([listing_of([_RUNNING])], UNLIMITED).splitlines())
    assert names == ["name", "state", "records", "begun", "until", "topic"]
    assert row == ["again", "running", "12,345", begun, until, "replay.again"]
    forgotten = listing_of([replace(_DONE, forgotten_at=_NOON)])
    assert "again  done, and its topic removed  12,345 " in drawn([forgotten], UNLIMITED)
    narrow = " ".join(drawn([listing_of([_RUNNING])], 30).split())
    assert narrow.startswith("name state records again running 12,345 begun: ")
    assert narrow.endswith(" topic: replay.again")
    half = replace(_RUNNING, spans={0: (0, 1_000)}, looked_at=500)
    assert [share_of(half), share_of(replace(half, looked_at=1_000))] == ["50 %", "100 %"]
    assert share_of(replace(_RUNNING, spans={})) == "100 %"


@pytest.mark.parametrize("as_json", (False, True))
@pytest.mark.parametrize("is_detached", (False, True))
def test_the_status_says_how_a_replay_stands(
    as_json: bool, is_detached: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    _conclude(replace(_DONE, manifest=None), as_json=as_json, is_detached=is_detached)
    assert '"state": "Done"' in capsys.readouterr().out if as_json else "records    12,345" in capsys.readouterr().out
    with pytest.raises(typer.Exit) as ended:
        _conclude(replace(_RUNNING, state=State.STOPPED), as_json=as_json, is_detached=is_detached)
    assert ended.value.exit_code == STOPPED == 3
    for replay, why in (
        (_RUNNING, "Running"),
        (replace(_RUNNING, state=State.FAILED, trouble="no broker"), "no broker"),
    ):
        if is_detached:
            _conclude(replay, as_json=as_json, is_detached=True)
            continue
        with pytest.raises(CommandFailed, match=f"The replay again is not done: {why}"):
            _conclude(replay, as_json=as_json, is_detached=False)


def test_progress_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records, share and rate; what was there when this process began has no part in its rate."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    terminal, written = pty.openpty()
    try:
        with os.fdopen(written, "w") as screen:
            monkeypatch.setattr(sys, "stderr", screen)
            with shown_replaying() as told:
                told(Progress(9_000, 0, 1_000))
                told(Progress(9_000, 250, 1_000))
        shown = _ESCAPES.sub("", b"".join(_all_of(terminal)).decode())
    finally:
        os.close(terminal)
    last = " ".join(shown.split("9,000 records")[-1].split())
    assert re.fullmatch(r"\S+ 25% 0/s (-:--:--|\d:\d\d:\d\d)", last), shown
    assert re.search(r"(?<![\d,])0 records", shown), "until something is told"


def test_a_rate_is_of_what_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, clock = StringIO(), iter(range(1_000))
    console = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(replaying, "error_console", lambda: console)
    monkeypatch.setattr(replaying, "Progress", partial(Bars, get_time=lambda: float(next(clock)), auto_refresh=False))
    with shown_replaying() as told:
        told(Progress(9_000, 0, 1_000))
        told(Progress(9_900, 250, 1_000))
    assert re.search(r"9,900 records .* [1-9]\d*/s", _ESCAPES.sub("", screen.getvalue()))


def _all_of(terminal: int) -> Iterator[bytes]:
    """Yield what was written to a terminal by who has closed it: it comes in pieces, and then there is an error."""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 1 << 16):
            yield piece


def test_nothing_is_shown_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", file := StringIO())
    with shown_replaying() as told:
        told(Progress(1, 1, 2))
    assert file.getvalue() == ""


@pytest.mark.parametrize(
    ("words", "said"),
    (
        (("Again",), "cannot be a replay's name"),
        (("again", "--topic", ""), "cannot be the name of a topic"),
        (("again", "--topic", "."), "cannot be the name of a topic"),
        (("again", "--topic", ".."), "cannot be the name of a topic"),
        (("again", "--topic", "a b"), "cannot be the name of a topic"),
        (("again", "--topic", "a" * 250), "cannot be the name of a topic"),
        (("again", "--topic", "a" * 249, "--dry-run", "--detach"), "nothing to --detach"),
        (("again", "--topic", "a", "--dry-run", "--detach"), "nothing to --detach"),
        (("again", "--topic", "Az_09.-", "--dry-run", "--detach"), "nothing to --detach"),
    ),
)
def test_words_that_cannot_be_meant(words: tuple[str, ...], said: str) -> None:
    ran = CliRunner().invoke(app, ("replay", "start", *words))
    assert ran.exit_code == 2
    assert said in ran.stderr
