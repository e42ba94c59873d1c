"""What `whopays top` makes of what it sees: for programs, and of slots in several hands."""

import json
import math
import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from cli.operating.standing import Section, Standing, Verdict
from cli.operating.top_document import document_of
from cli.operating.top_screen import drawn_view
from cli.operating.watched import View, Watched
from cli.terminal.screen import put
from db.at_work import Slot
from tests.unit.cli.drawing import NOON, WATCHED, drawn
from workers.runtime.metric import Step
from workers.runtime.settings import Settings


def test_the_document_says_what_is_on_the_screen() -> None:
    document = document_of(WATCHED, NOON)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["installation"], document["time"], document["well"]) == (
        "production", "2027-01-31T12:00:00.000000Z", False,
    )  # fmt: skip
    assert [(one["what"], one["verdict"]) for one in document["checks"]] == [
        ("database", "well"), ("audit", "note"), ("dead letters", "trouble"), ("topics", "well"),
    ]  # fmt: skip
    assert [(one["topic"], one["waiting"], one["oldestSeconds"], one["perSecond"]) for one in document["topics"]] == [
        ("projects", 0, 0.0, 13.21), ("payment-profiles", 0, 0.0, None), ("admin-commands", 12_345, 192.0, 1_204.0),
    ]  # fmt: skip
    assert document["topics"][2]["readers"] == [
        {"host": "10.0.0.7", "partitions": 8},
        {"host": "10.0.0.8", "partitions": 4},
    ]
    assert document["topics"][2]["next"] == {
        "records": 1000,
        "organizations": [
            {"organization": "acme", "records": 912},
            {"organization": "globex", "records": 80},
            {"organization": "\x1b[2J", "records": 7},
            {"organization": None, "records": 1},
        ],
    }
    assert document["events"] == {
        "waiting": 17, "oldestSeconds": 0.4, "perSecond": 2_410.4,
        "slots": [{"slot": 0, "holder": "worker-1-17-5f3a9c21", "heldSeconds": 7_500.0,
                   "lastHolder": "worker-1-17-5f3a9c21", "leaseSeconds": 8.0}],
    }  # fmt: skip
    batches, relay = document["roles"]
    assert (batches["role"], batches["batchesPerSecond"], batches["batchSeconds"]) == ("admin-commands", 4.1, 0.741)
    assert batches["stepSeconds"]["lock"] == 0.099
    assert relay == {"role": "relay", "at": "10.0.0.7:9100", "silentSeconds": 45.0, "batchesPerSecond": None,
                     "batchSeconds": None, "stepSeconds": {}}  # fmt: skip
    assert document["commandsPerSecond"] == {"Applied": 1_190.0, "Rejected": 14.2, "Waiting": 0.0}
    assert [(one["kind"], one["toldUpTo"], one["projects"]) for one in document["beingAnnounced"]] == [
        ("AccountSuspended", "genome", 10_000), ("AccountReady", None, 1),
    ]  # fmt: skip
    replays = [(one["name"], one["state"], one["lookedAt"], one["toLookAt"]) for one in document["replays"]]
    assert replays == [
        ("invoices-of-january", "Running", 250, 1000),
        ("yesterday", "Running", 250, 1000),
        ("again", "Failed", 250, 1000),
    ]
    assert [(one["worker"], one["trouble"]) for one in document["replays"]] == [
        ("worker-3.example.com-17-5f3a9c21", None), (None, None),
        ("worker-3.example.com-17-5f3a9c21", "the topic has another id"),
    ]  # fmt: skip
    assert [(one["number"], one["state"]) for one in document["deadLetters"]] == [(17, "waiting")]


def test_what_is_bad_is_red_and_what_waits_is_bold() -> None:
    out = StringIO()
    screen = Console(file=out, width=120, force_terminal=True, color_system="standard", highlight=False)
    put(screen, *drawn_view(WATCHED, NOON))
    shown = out.getvalue()
    for words, colour in (("45 s ago", "31"), ("nobody", "31"), ("LOOK", "31"), ("ok", "32"), ("12,345", "1")):
        assert re.search(rf"\x1b\[{colour}m *{re.escape(words)}", shown), words
    for words in ("1 s ago", "10.0.0.7: 12 partitions", "3 min 12 s ago"):
        assert not re.search(rf"\x1b\[[0-9;]*m *{re.escape(words)}", shown), words


def _drawn(view: View, width: int = 200) -> list[str]:
    return drawn(tuple(drawn_view(view, NOON)), width).splitlines()


def test_the_five_that_wait_most_are_named() -> None:
    names = [b"one", b"two", b"three", b"four", b"five", b"six"]
    waiting = replace(WATCHED.waiting[2], keys={name: 10 - number for number, name in enumerate(names)})
    view = View("production", waiting=[waiting])
    said = "admin-commands waits for one 10, two 9, three 8, four 7, five 6, of the next 45"
    assert said in _drawn(view)
    (topic,) = document_of(view, NOON)["topics"]
    assert [one["records"] for one in topic["next"]["organizations"]] == [10, 9, 8, 7, 6]


@pytest.mark.parametrize(("seconds", "said"), ((59.4, "59 s"), (60.0, "1 min"), (61.0, "1 min 1 s")))
def test_how_long_the_first_one_waits(seconds: float, said: str) -> None:
    view = View("production", slots=(Slot(0, "a", 3.0),), held_seconds={0: 7.0}, unpublished=1, published=2.0)
    line = next(line for line in _drawn(replace(view, unpublished_seconds=seconds)) if line.startswith("events"))
    assert re.split(r"  +", line) == ["events", "1", said, "2.0", "a, 7 s or more"]


@pytest.mark.parametrize(
    ("outcomes", "said"), (({"Applied": 0.4, "Rejected": 0.0}, "Applied 0.4"), ({"A": 0.0}, "none"))
)
def test_how_many_commands_are_answered(outcomes: dict[str, float], said: str) -> None:
    assert f"commands a second: {said}" in _drawn(replace(WATCHED, outcomes=outcomes))


def test_steps_of_a_batch_that_take_any_time() -> None:
    (url,), (batching, _) = WATCHED.at_work, *WATCHED.at_work.values()
    assert batching.batches is not None
    first, second, third, *_ = Step
    made = replace(batching.batches, steps={first: 0.8, second: 0.0005, third: 0.0006})
    view = View("production", at_work={url: [replace(batching, batches=made)]})
    (line,) = (line for line in _drawn(view) if line.startswith("admin-commands"))
    assert line.endswith(f"  741  {first} 800 {third} 1")


def test_marks_stand_in_a_column_and_nothing_beside_them_is_cut() -> None:
    well = Standing(Verdict.WELL, "database", "It answers.", "", Section.UPGRADING)
    note = replace(well, verdict=Verdict.NOTE, what="audit", words=f"{'x' * 40} is long.")
    assert _drawn(View("p", standings={"database": [well]}))[1] == "ok    database"
    assert _drawn(View("p"))[1:] == ["looking ..."]
    lines = _drawn(View("p", standings={"database": [well, note]}), 30)[2:]
    assert lines[0].startswith("note  audit")
    assert "".join(line[6:].strip() for line in lines).replace(" ", "") == f"audit{'x' * 40}islong."


def test_where_even_numbers_have_no_space_every_row_is_a_block() -> None:
    lines = [line.split() for line in _drawn(WATCHED, 40)]
    first = lines.index(["projects"])
    assert lines[first : first + 4] == [["projects"], ["waiting", "0"], ["oldest", "0", "s"], ["per", "s", "13"]]


def test_what_was_not_found_out_is_no_number() -> None:
    (role,) = WATCHED.at_work["http://10.0.0.7:9100/metrics"][1:]
    silent = {"http://10.0.0.7:9100/metrics": [replace(role, silent_seconds=math.nan)]}
    assert document_of(View("production", at_work=silent), NOON)["roles"][0]["silentSeconds"] is None
    third = document_of(View("production", unpublished=1, published=1 / 3), NOON)
    assert third["events"]["perSecond"] == 0.333333
    assert document_of(View("production"), NOON)["events"] == {
        "waiting": None, "oldestSeconds": None, "perSecond": None, "slots": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("slots", "said"),
    (
        ((), "no relay"),
        ((Slot(0, None, None),), "no relay"),
        ((Slot(0, None, None), Slot(1, None, None)), "no relay"),
        ((Slot(0, "a", 3.0),), "a, 7 s or more"),
        ((Slot(0, "a", -3.0),), "nobody: the lease of a ended 3 s ago"),
        ((Slot(0, "a", 0.0), Slot(1, "a", 3.0)), "slots 0-1: a, 7 s or more"),
        (
            (Slot(0, "a", 3.0), Slot(1, "b", 3.0), Slot(2, "a", 1.0)),
            "slots 0, 2: a, 7 s or more; slot 1: b, 8 s or more",
        ),
        (
            (Slot(0, "a", 3.0), Slot(1, "a", -3.0), Slot(2, None, None), Slot(3, None, None)),
            "slot 0: a, 7 s or more; slot 1: nobody: the lease of a ended 3 s ago; slots 2-3: nobody",
        ),
    ),
)  # fmt: skip
def test_each_slot_is_said_to_be_in_somebodys_hands(slots: tuple[Slot, ...], said: str) -> None:
    view = View("production", slots=slots, held_seconds={0: 7.0, 1: 8.0, 2: 9.0}, unpublished=0)
    line = next(line for line in drawn(tuple(drawn_view(view, NOON)), 200).splitlines() if line.startswith("events"))
    assert line.split("?", 1)[1].strip() == said


async def test_a_holder_counts_from_when_it_was_first_seen() -> None:
    watched = Watched(Settings(), [], 1.0)
    seen = []
    for slots in (
        (Slot(0, "a", 3.0), Slot(1, "b", 3.0), Slot(2, "c", 3.0)),
        (Slot(0, "a", 3.0), Slot(1, "a", 3.0), Slot(2, "c", -1.0)),
        (Slot(0, "a", 3.0), Slot(1, "a", 3.0), Slot(2, "c", 3.0)),
    ):
        watched.view.slots = slots
        watched._note_holders()
        seen.append(dict(watched._held))
        assert watched.view.held_seconds.keys() == seen[-1].keys()
    first, second, third = seen
    assert second[0] == first[0]
    assert (second[1][0], second[1][1] > first[1][1]) == ("a", True)
    assert second.keys() == {0, 1}, "nobody renews the third"
    assert third[1] == second[1]
    assert third[2][1] > first[2][1]
    await watched.close()
