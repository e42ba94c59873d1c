"""What the log of a shard says, row by row: the rows that are right, and what is found of each that is not."""

from collections.abc import Mapping
from typing import Any

import pytest

from audit.claims import ClaimedIds, digest_of
from audit.findings import Promise
from audit.log_story import Story, is_of_claim
from db.log import PARTITION_POSITIONS, LogRow, row_hash
from db.shard_ranges import ShardRange
from domain.identity import result_not_kept
from schemas.topics import Topic
from tests.unit.audit.telling import LATER, NOON, SOUND, Said, account, binding, letter, payer, result, rows

_ONE = ShardRange(0, 1)


def _heard(told: list[LogRow], story: Story | None = None) -> list[str]:
    heard = story or Story(0, _ONE)
    return [f"{one.promise} {one}" for row in told for one in heard.hear(row)]


def _whole() -> tuple[Story, list[LogRow]]:
    story, told = Story(0, _ONE), rows(SOUND)
    assert _heard(told, story) == []
    return story, told


def test_a_log_in_which_nothing_is_wrong() -> None:
    story, told = _whole()
    assert list(story.end(len(told), told[-1].hash)) == []
    assert story.is_whole
    assert (story.accounts["acme/main"].sequence, story.accounts["acme/main"].version) == (4, 2)
    payers = story.projects["acme/web"]
    assert (payers.sequence, payers.first, payers.account, payers.established_at) == (4, 1, "main", LATER)
    assert story.unanswered == {("acme", "/cli", "c2"): 11}
    claimed = ClaimedIds()
    for command in ("c2", "c1"):
        claimed.add(digest_of(("acme", "/cli", command)))
    assert story.claimed == claimed
    assert story.dead == {14: f"billing.projects/3/1042 of {NOON}: HandlerFault"}


def _with(*said: Said) -> list[LogRow]:
    return rows((*SOUND, *said))


_AT = "shard 0, position 15"


@pytest.mark.parametrize(
    ("said", "found"),
    (
        (binding(6, "Released", payer(4, "main", LATER, LATER), None), "sequences acme/web: sequence 6 instead of 5"),
        (account(4, "Ready", version=3), "sequences acme/main: sequence 4 instead of 5"),
        (
            binding(5, "Released", payer(4, "lab", LATER, LATER), None),
            "payers acme/web: the previous payer was main, the event says lab",
        ),
        (
            binding(5, "Bound", None, payer(5, "lab")),
            "payers acme/web: the previous payer was main, the event says None",
        ),
        (
            binding(5, "Released", payer(4, "main", NOON, LATER), None),
            "payers acme/web: the previous payer was main, the event says main",
        ),
        (
            binding(5, "Superseded", payer(4, "main", LATER, LATER), None),
            "payers acme/web: the change must not be called Superseded",
        ),
        (
            binding(5, "Superseded", payer(4, "main", LATER, NOON), payer(5, "lab", LATER)),
            "payers acme/web: the previous payer's end is not the next one's start",
        ),
        (
            account(5, "Suspended", previousPhase="Incomplete"),
            "phases acme/main: Incomplete was not the previous phase",
        ),
        (account(5, "Suspended", version=3), "phases acme/main: Suspended without having entered it from Ready"),
        (account(5, "Ready", version=2), "phases acme/main: version 2 follows version 2"),
        ((Topic.PROJECTS, letter("a/b/1")[1]), "log the log is not published on projects"),
        (
            (Topic.COMMAND_RESULTS, {"subject": "acme/c9", "data": {}}),
            "log the row is not an event of whopays (KeyError)",
        ),
        ((Topic.NOTICES, {"id": "0-14", "subject": "acme/web", "data": {}}), "log the event has the id 0-14"),
    ),
)
def test_a_row_that_contradicts_those_before(said: Any, found: str) -> None:
    promise, _, trouble = found.partition(" ")
    assert _heard(_with(said)) == [f"{promise} {_AT}: {trouble}"]


def test_the_first_of_a_subject_begins_with_one() -> None:
    first = rows((binding(2, "Superseded", payer(1, "main", until=LATER), payer(2, "lab", LATER)),))
    at = "shard 0, position 1: acme/web: "
    assert _heard(first) == [
        f"sequences {at}sequence 2 instead of 1",
        f"payers {at}the previous payer was None, the event says main",
    ]
    accounts = rows((account(1, "Ready", version=2), account(2, "Ready", previousPhase="Incomplete")))
    assert _heard(accounts)[0] == "phases shard 0, position 1: acme/main: version 2 follows version 0"
    phase = rows((account(1, "Ready", previousPhase="Incomplete"),))
    assert _heard(phase) == ["phases shard 0, position 1: acme/main: Incomplete was not the previous phase"]


def test_a_log_that_begins_later_is_believed_at_first() -> None:
    story = Story(0, _ONE)
    story.dead[1] = "of before"
    told = rows(
        (
            binding(7, "Released", payer(6, "main", NOON, LATER), None),
            binding(9, "Bound", None, payer(9, "main")),
            account(7, "Ready", previousPhase="Incomplete"),
            account(8, "Ready", version=5),
            account(9, "Ready", version=7),
        ),
        begins_after=41,
        hash_=b"h",
    )
    story.pass_over(41, b"h")
    at = "shard 0, position"
    assert _heard(told, story) == [
        f"sequences {at} 43: acme/web: sequence 9 instead of 8",
        f"phases {at} 46: acme/main: version 7 follows version 5",
    ]
    assert (story.is_whole, story.dead, story.projects["acme/web"].first) == (False, {}, 7)


@pytest.mark.parametrize(("gone", "missing"), ((1, "position 3"), (2, "3 to 4")))
def test_a_hole(gone: int, missing: str) -> None:
    story, told = Story(0, _ONE), rows(tuple(result(f"c{number}") for number in range(6)))
    place = f"shard 0, position {3 + gone}"
    assert _heard(told[:2] + told[2 + gone :], story) == [
        f"log {place}: the log has a hole: {missing} is missing before it"
    ]
    assert not story.is_whole


def test_rows_that_were_detached_by_hand() -> None:
    told = rows((result("c1"), result("c2")), begins_after=PARTITION_POSITIONS - 1)
    story = Story(0, _ONE)
    assert _heard(told, story) == []
    assert not story.is_whole
    elsewhere = rows((result("c1"),), begins_after=PARTITION_POSITIONS)
    assert "2 to 1000000 is missing" not in _heard(elsewhere)[0]
    assert f"1 to {PARTITION_POSITIONS} is missing" in _heard(elsewhere)[0]
    later = Story(0, _ONE)
    assert _heard(rows((result("c1"),)), later) == []
    assert f"2 to {PARTITION_POSITIONS - 1} is missing" in _heard(told, later)[0]


@pytest.mark.parametrize("changed", ({"key": b"other"}, {"topic": Topic.NOTICES}, {"asked": "{}"}, {"hash": b"h"}))
def test_a_row_that_was_changed(changed: Mapping[str, Any]) -> None:
    told = rows((result("c1"), result("c2")))
    assert _heard([told[0], told[1]._replace(**changed)])[0] == (
        "log shard 0, position 2: its hash does not match the row before and its own content"
    )


@pytest.mark.parametrize(
    ("value", "error"), ((b"{", "JSONDecodeError"), (b"[]", "TypeError"), (b'{"id": "0-1"}', "KeyError"))
)
def test_a_row_that_is_no_event(value: bytes, error: str) -> None:
    row = LogRow(0, 1, Topic.BINDINGS, b"acme", value, row_hash(b"", Topic.BINDINGS, b"acme", value))
    assert _heard([row]) == [f"log shard 0, position 1: the row is not an event of whopays ({error})"]


def test_an_event_of_another_shard() -> None:
    many = ShardRange(0, 48)
    shard = many.shard_of("acme")
    assert _heard(rows((result("c1"),), shard=shard), Story(shard, many)) == []
    other = (shard + 1) % 48
    named = (
        result("c1"),
        letter("billing.projects/3/1042"),
        letter("billing.projects/3/1042", reason="Undecodable"),
        letter("billing.projects/3/1042", reason="HandlerFault", organization="acme"),
    )
    found = _heard(rows(named, shard=other), Story(other, many))
    assert f"log shard {other}, position 1: acme belongs to another shard" in found
    assert not any("position 2" in one or "position 4" in one for one in found)
    place = many.shard_of("billing.projects/3")
    assert (f"log shard {other}, position 3: billing.projects/3 belongs to another shard" in found) == (place != other)
    sound = rows((letter("billing.projects/3/1042", reason="Undecodable"),), shard=place)
    assert _heard(sound, Story(place, many)) == []


@pytest.mark.parametrize(
    ("data", "is_claim"),
    (
        ({}, True),
        ({"dryRun": True}, False),
        ({"repeated": True}, False),
        ({"violations": [{"reason": "Other", "message": "x"}]}, True),
        ({"violations": [{"reason": "Other", "message": "x"}, {"reason": "Forbidden", "message": "x"}]}, False),
        ({"violations": [{"reason": "Unauthenticated", "message": "x"}]}, False),
        ({"violations": [{"reason": "CommandIdReused", "message": "x"}]}, False),
        ({"violations": [{"reason": "Other", "message": result_not_kept().message}]}, False),
    ),
)
def test_which_results_claim_an_id(data: Mapping[str, Any], is_claim: bool) -> None:
    assert is_of_claim(result("c1", **data)[1]["data"]) is is_claim


def test_the_end_is_that_of_the_head() -> None:
    story, told = _whole()
    last = len(told)
    assert [str(one) for one in story.end(last + 1, told[-1].hash)] == [
        f"shard 0: the log ends at position {last}, its head says {last + 1}"
    ]
    assert [str(one) for one in story.end(last, b"h")] == [
        f"shard 0: the hash of the last row ({last}) is not that of the head"
    ]


@pytest.mark.parametrize(
    ("ends", "position", "kept_from", "is_found"),
    (((9,), 9, 10, False), ((9,), 9, 9, True), ((9,), 4, 10, True), (None, 9, 10, True), ((9,), 5, 6, False)),
)
def test_a_closed_shard_may_be_archived_as_a_whole(
    ends: tuple[int, ...] | None, position: int, kept_from: int, is_found: bool
) -> None:
    story = Story(0, ShardRange(0, 1, 4, ends))
    assert [one.promise for one in story.end(position, b"", kept_from)] == [Promise.LOG] * (is_found and position != 4)
    assert story.is_whole is is_found
