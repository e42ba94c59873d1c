"""What is selected by a replay, in words; its markers, and its manifest (docs/contract.md section 10)."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from schemas.replays import (
    BadSelection,
    Manifest,
    ReplayCompleted,
    ReplayedPartition,
    ReplayedShard,
    ReplayState,
    Selection,
    is_replay_name,
    marker_id,
    marker_key,
    read_manifest,
    render_marker,
    selection_of,
    type_in,
)

_BINDINGS, _PHASES, _ACCOUNTS, _NOTICES, _RESULTS, _DEAD = (
    f"io.milo.billing.{name}.v1"
    for name in (
        "BindingChanged",
        "AccountPhaseChanged",
        "AccountChanged",
        "ProjectBillingNotice",
        "CommandCompleted",
        "DeadLetter",
    )
)
_NEW_YEAR, _LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z"
_INSTANT = datetime(2026, 1, 1, tzinfo=UTC)


def _troubles(**asked: Any) -> list[str]:
    with pytest.raises(BadSelection) as bad:
        selection_of(**asked)
    return str(bad.value).splitlines()


@pytest.mark.parametrize(
    ("name", "is_one"),
    (
        ("a", True),
        ("a-b9", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("-a", False),
        ("a-", False),
        ("A", False),
        ("a_b", False),
        ("a\n", False),
    ),
)
def test_what_can_be_the_name_of_a_replay(name: str, is_one: bool) -> None:
    assert is_replay_name(name) is is_one


@pytest.mark.parametrize(
    ("asked", "types"),
    (
        ({}, {_BINDINGS, _PHASES, _ACCOUNTS, _NOTICES, _RESULTS}),
        ({"types": ["DeadLetter"]}, {_DEAD}),
        ({"types": [_RESULTS, "BindingChanged"]}, {_BINDINGS, _RESULTS}),
        ({"organization": "acme"}, {_BINDINGS, _PHASES, _ACCOUNTS, _NOTICES, _RESULTS}),
        ({"organization": "acme", "account": "main"}, {_BINDINGS, _PHASES, _ACCOUNTS, _NOTICES}),
        ({"organization": "acme", "project": "web"}, {_BINDINGS, _NOTICES}),
        ({"organization": "acme", "project": "web", "account": "main"}, {_BINDINGS, _NOTICES}),
        ({"latest": True}, {_BINDINGS, _PHASES, _ACCOUNTS}),
        ({"latest": True, "organization": "acme", "project": "web"}, {_BINDINGS}),
        ({"latest": True, "types": ["AccountChanged", "CommandCompleted"]}, {_ACCOUNTS}),
    ),
)
def test_types_that_can_match(asked: dict[str, Any], types: set[str]) -> None:
    assert selection_of(**asked).types == types


def test_equal_selections_are_equal_documents() -> None:
    assert selection_of().document() == {}
    every = ["BindingChanged", "AccountPhaseChanged", "AccountChanged", "ProjectBillingNotice", "CommandCompleted"]
    assert selection_of(types=every).document() == {}
    assert selection_of(types=reversed(every[:2])).document() == {"type": sorted((_BINDINGS, _PHASES))}
    assert selection_of(types=every, latest=True).document() == {"latest": True}
    full = selection_of(
        organization="acme", project="web", account="main", from_=_NEW_YEAR, until=_LATER, after=("7-12", "0-0")
    )
    assert full.document() == {
        "organization": "acme",
        "project": "web",
        "account": "main",
        "from": "2026-01-01T00:00:00.000000Z",
        "until": "2026-01-01T00:00:00.000001Z",
        "after": ["0-0", "7-12"],
    }
    assert Selection.of_document(full.document()) == full
    assert (full.places, selection_of().places) == ({0: 0, 7: 12}, {})


@pytest.mark.parametrize(
    ("types", "topics"),
    (
        (("BindingChanged",), ("bindings",)),
        (("CommandCompleted", "DeadLetter"), ("command-results", "dead-letters")),
    ),
)
def test_topics_of_types(types: tuple[str, ...], topics: tuple[str, ...]) -> None:
    assert selection_of(types=types).topics == topics


@pytest.mark.parametrize(
    ("asked", "said"),
    (
        ({"organization": "Acme"}, "--organization: 'Acme' cannot be a name"),
        ({"organization": "a", "project": "-"}, "--project: '-' cannot be a name"),
        ({"organization": "a", "account": ""}, "--account: '' cannot be a name"),
        ({"project": "web"}, "--project is only selected together with --organization"),
        ({"account": "main"}, "--account is only selected together with --organization"),
        ({"from_": _LATER, "until": _NEW_YEAR}, "--from is not before --until"),
        ({"from_": _NEW_YEAR, "until": _NEW_YEAR}, "--from is not before --until"),
        (
            {"latest": True, "from_": _NEW_YEAR},
            "--latest goes with neither --from nor --after: it takes the last event of each subject",
        ),
        (
            {"latest": True, "after": ("1-2",)},
            "--latest goes with neither --from nor --after: it takes the last event of each subject",
        ),
        (
            {"organization": "acme", "types": ["DeadLetter"]},
            "--type: DeadLetter is selected without --organization: dead letters belong to none",
        ),
        (
            {"organization": "acme", "project": "web", "types": ["AccountChanged"]},
            "--type: none of AccountChanged can match what else is selected",
        ),
        (
            {"latest": True, "types": ["CommandCompleted", "ProjectBillingNotice"]},
            "--type: none of CommandCompleted, ProjectBillingNotice can match what else is selected",
        ),
        ({"types": ["Watermark"]}, "--type: Watermark is a control record, which is not in the log"),
        (
            {"types": ["io.milo.billing.ReplayCompleted.v1"]},
            "--type: io.milo.billing.ReplayCompleted.v1 is a control record, which is not in the log",
        ),
        ({"after": ("1",)}, "--after: '1' is not an event id; ids have the form SHARD-POSITION, such as 7-1203"),
        ({"after": ("01-2",)}, "--after: '01-2' is not an event id; ids have the form SHARD-POSITION, such as 7-1203"),
        (
            {"after": ("1-2", "1-3")},
            "--after: 1-3 is the second of shard 1; give one event per shard",
        ),
        (
            {"after": ("1-2", "1-2")},
            "--after: 1-2 is the second of shard 1; give one event per shard",
        ),
    ),
)
def test_what_is_wrong_with_a_selection(asked: dict[str, Any], said: str) -> None:
    assert _troubles(**asked) == [said]


def test_what_has_no_name_and_no_instant() -> None:
    [said] = _troubles(types=["Bound"])
    assert said.startswith("--type: 'Bound' is not an event; the events are BindingChanged, AccountPhaseChanged,")
    for option in ("from_", "until"):
        [said] = _troubles(**{option: "yesterday"})
        assert said.startswith(f"--{option.rstrip('_')}: 'yesterday' is ")


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(_troubles(project="-", from_="x", until="y", types=["z", "Watermark"], after=("q", "1-2", "r"))) == 8


def test_the_type_is_read_from_rendered_bytes() -> None:
    assert type_in(b'{"specversion":"1.0","type":"a.b","data":{"type":"c"}}') == "a.b"


def test_the_marker_that_ends_a_partition() -> None:
    assert (marker_key("r1", 3), marker_id("r1", 3)) == (b"_replay/r1/3", "replay-r1-3")
    marker = ReplayCompleted(
        replay="r1",
        partition=3,
        records=1,
        total_records=2,
        digest="d",
        first_id=None,
        last_id="1-1",
        selection=selection_of(organization="acme"),
        until=_INSTANT,
    )
    assert orjson.loads(render_marker(marker, "/whopays", _INSTANT)) == {
        "specversion": "1.0",
        "id": "replay-r1-3",
        "source": "/whopays",
        "type": "io.milo.billing.ReplayCompleted.v1",
        "time": "2026-01-01T00:00:00.000000Z",
        "subject": "r1",
        "partitionkey": "_replay/r1/3",
        "data": {
            "replay": "r1",
            "partition": 3,
            "records": 1,
            "totalRecords": 2,
            "digest": "d",
            "firstId": None,
            "lastId": "1-1",
            "selection": {"organization": "acme"},
            "until": "2026-01-01T00:00:00.000000Z",
        },
    }


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = Manifest(
        name="r1",
        state=ReplayState.DONE,
        selection=selection_of(latest=True),
        target=None,
        until=_INSTANT,
        available_from=None,
        begun_at=_INSTANT,
        finished_at=None,
        records=1,
        types={_BINDINGS: 1},
        partitions=(ReplayedPartition(partition=0, records=1, digest="d", first_id="1-1", last_id="1-1"),),
        shards=(ReplayedShard(shard=1, first=1, last=None),),
    )
    document = manifest.document()
    assert (document["availableFrom"], document["state"], document["selection"]) == (None, "Done", {"latest": True})
    assert read_manifest(document) == manifest
    assert read_manifest(document | {"records": 10**30}).records == 10**30
    others: tuple[Any, ...] = ({}, None, [], document | {"records": "many"}, document | {"name": "\ud800"})
    for other in others:
        with pytest.raises(ValueError, match="it is no manifest of a replay"):
            read_manifest(other)
