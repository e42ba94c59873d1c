"""What `whopays status` says of what was found, and from when on it is trouble: each sentence, and each limit."""

from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from cli.operating.reached import of_consumer
from cli.operating.standing import (
    MARKS,
    Section,
    Standing,
    Verdict,
    is_well,
    of_audit,
    of_dead_letters,
    of_maintenance,
    of_publishing,
    of_relays,
    of_replays,
    of_timers,
    of_watermark,
)
from cli.operating.status import concluded, tell
from cli.operating.waiting import Reader, Waiting
from db.audits import Begun, LastAudit
from db.watching import Overdue
from domain.messages import DueKind
from schemas.records import DeadLetterReason
from schemas.replays import ReplayState
from schemas.topics import Topic
from workers.runtime.settings import Settings

_NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
_WELL, _NOTE, _TROUBLE, _UNKNOWN = Verdict.WELL, Verdict.NOTE, Verdict.TROUBLE, Verdict.UNKNOWN
_TICK = timedelta(microseconds=1)
_RELAY_LATE = "See that a relay runs and reaches Kafka: its log says relay_interrupted or role_failed."
_NO_RELAY = "Start one; its log says relay_slots_differ where others have another number of slots."
_NOT_CLOSED = "Look for clocks_apart in the relay's log, and for transactions that hang in PostgreSQL."
_TIMERS_LATE = "See that the role timers runs: its log says timers_interrupted or batch_faulty."
_NOT_MAINTAINED = "See that the role maintenance runs."
_LETTERS_WAIT = "whopays dead-letters list --waiting; then redrive or discard them."
_BUSY = "See whether it is busy or hangs: its log, and whopays health on its host."


def _ago(**units: float) -> datetime:
    return _NOW - timedelta(**units)


def _due(number: int, seconds: float, fan_outs: int = 0) -> Overdue:
    return Overdue({DueKind.SCHEDULED_BINDING: number, DueKind.WAITING_BINDING: 0}, seconds, fan_outs)


def _audit(ended: datetime, findings: int) -> LastAudit:
    return LastAudit(Begun(ended, 9), ended, {"one": findings, "other": 0})


def _read(records: int, seconds: float, *readers: Reader) -> Waiting:
    return Waiting(Topic.PROJECTS, records, seconds, readers)


_RUNNING, _FAILED, _DONE = ReplayState.RUNNING, ReplayState.FAILED, ReplayState.DONE
_READER = Reader("10.0.0.7", 3)
_SETTINGS = Settings(topic_prefix="t.")
_CHORES = {"archive": _ago(days=1) - _TICK, "forget": _NOW}

_SAID: tuple[tuple[Standing, Verdict, str, str], ...] = (
    (of_publishing(0, 0.0), _WELL, "Every event is published.", ""),
    (of_publishing(1, 10.0), _WELL, "1 event not published yet, the oldest 10 s old.", ""),
    (of_publishing(2, 10.5), _TROUBLE, "2 events not published yet, the oldest 10 s old.", _RELAY_LATE),
    (of_relays(1, []), _WELL, "A relay publishes.", ""),
    (of_relays(2, []), _WELL, "Each of the 2 slots has a relay.", ""),
    (of_relays(1, [0]), _NOTE, "No relay publishes.", _NO_RELAY),
    (of_relays(3, [0, 1, 2]), _NOTE, "No relay publishes.", _NO_RELAY),
    (of_relays(3, [2]), _TROUBLE, "No relay works on 1 slot of 3: 2.", _NO_RELAY),
    (of_relays(3, [0, 2]), _TROUBLE, "No relay works on 2 slots of 3: 0, 2.", _NO_RELAY),
    (of_watermark(None, _NOW), _NOTE, "Nothing is closed yet: no relay has run.", "Start one."),
    (of_watermark(_ago(seconds=15), _NOW), _WELL, "Payers are complete up to 15 s ago.", ""),
    (of_watermark(_ago(seconds=15) - _TICK, _NOW), _TROUBLE, "Payers are complete up to 15 s ago.", _NOT_CLOSED),
    (of_timers(_due(0, 0.0)), _WELL, "Nothing is due.", ""),
    (of_timers(_due(1, 10.0)), _WELL, "1 thing due, the first for 10 s.", ""),
    (
        of_timers(_due(2, 10.5, fan_outs=1)),
        _TROUBLE,
        "2 things due, the first for 10 s. 1 change of phase being announced.",
        _TIMERS_LATE,
    ),
    (of_timers(_due(0, 0.0, fan_outs=2)), _WELL, "Nothing is due. 2 changes of phase being announced.", ""),
    (of_maintenance({}, _NOW), _NOTE, "No chore was ever done.", _NOT_MAINTAINED),
    (
        of_maintenance({"b": None, "a": None, "c": _NOW}, _NOW),
        _NOTE,
        "Not done yet: a, b.",
        _NOT_MAINTAINED,
    ),
    (of_maintenance({"archive": _ago(days=1)}, _NOW), _WELL, "Every chore was done within the last 24 h.", ""),
    (
        of_maintenance(_CHORES, _NOW),
        _TROUBLE,
        "Every chore was done within the last 24 h.",
        "See why archive is not: the log of the role maintenance says chore_failed.",
    ),
    (of_dead_letters(dict.fromkeys(DeadLetterReason, 0)), _WELL, "None waits.", ""),
    (
        of_dead_letters({DeadLetterReason.UNDECODABLE: 2, DeadLetterReason.INVALID_FACT: 1}),
        _TROUBLE,
        "3 are waiting: 2 Undecodable, 1 InvalidFact.",
        _LETTERS_WAIT,
    ),
    (of_audit(None, _NOW), _NOTE, "No audit is stored yet.", "whopays verify"),
    (of_audit(_audit(_ago(days=2), 0), _NOW), _WELL, "The last one ended 48 h ago, with 0 findings.", ""),
    (
        of_audit(_audit(_ago(days=2) - _TICK, 0), _NOW),
        _NOTE,
        "The last one ended 2 days ago, with 0 findings.",
        "whopays verify",
    ),
    (
        of_audit(_audit(_ago(days=20), 0), _NOW),
        _NOTE,
        "The last one ended 20 days ago, with 0 findings.",
        "whopays verify",
    ),
    (
        of_audit(_audit(_ago(hours=2), 1), _NOW),
        _TROUBLE,
        "The last one ended 120 min ago, with 1 finding.",
        "whopays verify names each of them.",
    ),
    (of_audit(_audit(_ago(hours=2) - _TICK, 0), _NOW), _WELL, "The last one ended 2 h ago, with 0 findings.", ""),
    (of_audit(_audit(_ago(seconds=90), 0), _NOW), _WELL, "The last one ended 2 min ago, with 0 findings.", ""),
    (of_replays([], []), _WELL, "0 running.", ""),
    (of_replays([_RUNNING, _DONE], []), _WELL, "1 running.", ""),
    (
        of_replays([_RUNNING, _FAILED], []),
        _NOTE,
        "1 running, 1 failed.",
        "whopays replay list; then show NAME says why.",
    ),
    (
        of_replays([_RUNNING] * 4 + [_FAILED], ["a", "b", "c", "d"]),
        _TROUBLE,
        "4 running, 4 of them without a process, 1 failed.",
        "See that a process of the role replays runs. Waiting: a, b, c.",
    ),
    (of_consumer(_read(0, 0.0, _READER), _SETTINGS), _WELL, "0 records to be read.", ""),
    (of_consumer(_read(1, 30.0, _READER), _SETTINGS), _WELL, "1 record to be read, the oldest 30 s old.", ""),
    (of_consumer(_read(2, 30.4, _READER), _SETTINGS), _TROUBLE, "2 records to be read, the oldest 30 s old.", _BUSY),
    (
        of_consumer(_read(0, 0.0), _SETTINGS),
        _TROUBLE,
        "No process reads t.projects. 0 records to be read.",
        "Start one: whopays run --only projects",
    ),
)


@pytest.mark.parametrize(("found", "verdict", "words", "to_do"), _SAID, ids=[one.words for one, *_ in _SAID])
def test_what_is_said_of_it(found: Standing, verdict: Verdict, words: str, to_do: str) -> None:
    assert (found.verdict, found.words, found.to_do) == (verdict, words, to_do)


def test_each_is_called_by_what_it_is_of_and_leads_to_its_section() -> None:
    assert {(one.what, one.section) for one, *_ in _SAID} == {
        ("publishing", Section.NOT_PUBLISHED),
        ("relays", Section.NOT_PUBLISHED),
        ("watermark", Section.NOT_PUBLISHED),
        ("timers", Section.OVERDUE),
        ("maintenance", Section.KEEP_AND_FORGET),
        ("dead letters", Section.DEAD_LETTERS),
        ("audit", Section.AUDITING),
        ("replays", Section.SETTING_UP),
        ("projects", Section.RECORDS_WAIT),
    }


def _one(verdict: Verdict, to_do: str = "Do it.") -> Standing:
    return Standing(verdict, "relays", "No relay publishes.", to_do, Section.NOT_PUBLISHED)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    (
        ((_WELL, _NOTE), "Everything is well."),
        ((_WELL, _TROUBLE), "1 thing to look at."),
        ((_TROUBLE, _TROUBLE), "2 things to look at."),
        ((_WELL, _UNKNOWN), "1 server could not be queried."),
        ((_TROUBLE, _UNKNOWN, _UNKNOWN), "1 thing to look at. 2 servers could not be queried."),
    ),
)
def test_what_is_concluded(verdicts: tuple[Verdict, ...], said: str) -> None:
    found = [_one(verdict) for verdict in verdicts]
    assert concluded(found) == said
    assert is_well(found) is (said == "Everything is well.")


def test_for_programs() -> None:
    section = f"docs/operations.md#{Section.NOT_PUBLISHED}"
    said = {"what": "relays", "verdict": "trouble", "says": "No relay publishes.", "toDo": "Do it.", "section": section}
    assert _one(_TROUBLE).document() == said
    assert _one(_WELL, "").document() == said | {"verdict": "well", "toDo": None}


_LONG = "whopays topics check says what to do, " * 3
_TIGHT = (f"{'x' * 52} abc", f"{'x' * 51} abcd ef-gh")
"""Lines that the last sign fills, or would be too much for."""


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    for one in (_one(_WELL), _one(_NOTE, ""), _one(_TROUBLE, _LONG), _one(_UNKNOWN, f"{'x' * 90} and-more")):
        tell(one)
    see = f"{'':24}See docs/operations.md#when-events-are-not-published\n"
    assert capsys.readouterr().out == (
        "ok    relays            No relay publishes.\n"
        f"note  relays            No relay publishes.\n{see}"
        "LOOK  relays            No relay publishes.\n"
        f"{'':24}whopays topics check says what to do, whopays topics\n"
        f"{'':24}check says what to do, whopays topics check says what to\n"
        f"{'':24}do,\n{see}"
        f"?     relays            No relay publishes.\n{'':24}{'x' * 90}\n{'':24}and-more\n{see}"
    )


def test_lines_are_as_wide_as_there_is_space(capsys: pytest.CaptureFixture[str]) -> None:
    for said in (*_TIGHT, f"{'x' * 52} abcd", f"{'x' * 50} ef-gh"):
        tell(_one(_NOTE, said))
    found = [line[24:] for line in capsys.readouterr().out.splitlines() if line.startswith(" " * 24)]
    assert [line for line in found if not line.startswith("See ")] == [
        _TIGHT[0], f"{'x' * 51} abcd", "ef-gh", "x" * 52, "abcd", f"{'x' * 50} ef-gh"
    ]  # fmt: skip


def test_each_verdict_has_its_colour_on_a_terminal() -> None:
    shown = typer.Typer()

    @shown.command()
    def said() -> None:
        for verdict in Verdict:
            tell(_one(verdict))

    out = CliRunner().invoke(shown, color=True).stdout
    for mark, colour in MARKS.values():
        assert typer.style(f"{mark:5}", fg=colour) in out
