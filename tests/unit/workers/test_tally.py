"""What was replayed so far: kept with the records themselves, told by markers, and in the end by the manifest."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from db.history import HistoryRow
from db.replays import KeptReplay
from schemas.replays import ReplayState, Selection
from workers.redriving import _AT_ONCE, _BYTES_AT_ONCE, _pages
from workers.replaying.tally import FIRST_DIGEST, Tally, document_of, manifest_of, next_digest

_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
_REPLAY = KeptReplay(
    name="again", selection=Selection(), target="replay.again", target_id=None, partitions=2, asked_partitions=None,
    until=_NOON, available_from=None, spans={3: (10, 20), 0: (5, 9), 1: (0, 0)}, rate=500, is_detached=False,
    state=ReplayState.RUNNING, trouble="no broker", owner=None, is_leased=False, records=4, looked_at=9,
    begun_at=_NOON, forgotten_at=None, manifest=None,
)  # fmt: skip


def _row(shard: int, position: int, name: str = "AccountChanged", key: bytes | None = b"k") -> HistoryRow:
    value = json.dumps({"type": f"io.milo.billing.{name}.v1"}, separators=(",", ":")).encode()
    return HistoryRow(shard, position, _NOON, "accounts", key, value)


_ROWS = ((_row(3, 11), 1), (_row(0, 7, "BindingChanged"), 0), (_row(3, 12, key=None), 1))


def _tally(*, is_complete: bool = False) -> Tally:
    tally = Tally.empty(2)
    for row, partition in _ROWS:
        tally.add(row, partition)
    return replace(tally, finished_at=_NOON) if is_complete else tally


def _digest(*rows: HistoryRow) -> str:
    """Return the digest of records as docs/contract.md section 10 defines it."""
    digest = bytes(32)
    for row in rows:
        key = b"\xff\xff\xff\xff" if row.key is None else len(row.key).to_bytes(4, "big") + row.key
        digest = hashlib.sha256(digest + key + len(row.value).to_bytes(4, "big") + row.value).digest()
    return digest.hex()


def test_the_digest_is_the_contracts() -> None:
    assert bytes(32) == FIRST_DIGEST
    row = _ROWS[2][0]
    assert next_digest(FIRST_DIGEST, row.key, row.value).hex() == _digest(row)


def test_records_are_counted_by_partition_and_type() -> None:
    tally = _tally()
    assert [(one.records, one.first_id, one.last_id) for one in tally.partitions] == [
        (1, "0-7", "0-7"),
        (2, "3-11", "3-12"),
    ]
    first, second = tally.partitions
    assert (first.digest.hex(), second.digest.hex()) == (_digest(_ROWS[1][0]), _digest(_ROWS[0][0], _ROWS[2][0]))
    assert (tally.records, tally.positions) == (3, {3: 12, 0: 7})
    assert tally.types == {"io.milo.billing.AccountChanged.v1": 2, "io.milo.billing.BindingChanged.v1": 1}
    assert (Tally.empty(2).records, Tally.empty(2).last_ids("again")) == (0, {0: None, 1: None})


@pytest.mark.parametrize("is_complete", (False, True))
def test_a_tally_is_read_as_it_was_kept(is_complete: bool) -> None:
    tally = _tally(is_complete=is_complete)
    key, value = tally.render("again")
    assert (key, Tally.read(value)) == (b"again", tally)
    assert Tally.read(Tally.empty(1).render("x")[1]) == Tally.empty(1)


def test_the_last_record_of_a_complete_partition_is_its_marker() -> None:
    assert _tally().last_ids("again") == {0: "0-7", 1: "3-12"}
    assert _tally(is_complete=True).last_ids("again") == {0: "replay-again-0", 1: "replay-again-1"}


def test_a_marker_tells_of_its_partition_and_of_all() -> None:
    marker = _tally().marker(_REPLAY, 1)
    assert (marker.replay, marker.partition, marker.records, marker.total_records) == ("again", 1, 2, 3)
    assert (marker.digest, marker.first_id, marker.last_id) == (_digest(_ROWS[0][0], _ROWS[2][0]), "3-11", "3-12")
    assert (marker.selection, marker.until) == (_REPLAY.selection, _NOON)


def _manifest(**said: Any) -> dict[str, Any]:
    return manifest_of(_REPLAY, _tally(is_complete=True), ReplayState.DONE, **said).document()


def test_the_manifest_tells_all() -> None:
    found = _manifest()
    assert (found["name"], found["state"], found["records"], found["target"]) == ("again", "Done", 3, "replay.again")
    assert list(found["types"]) == sorted(found["types"])
    assert [one["records"] for one in found["partitions"]] == [1, 2]
    assert [one["partition"] for one in found["partitions"]] == [0, 1]
    assert [(one["shard"], one["first"], one["last"]) for one in found["shards"]] == [
        (0, 6, 9), (1, None, None), (3, 11, 20)
    ]  # fmt: skip
    assert found["finishedAt"] == "2027-01-31T12:00:00.000000Z"
    assert _manifest(has_target=False)["target"] is None


def test_what_is_not_done_says_how_far_it_is() -> None:
    told = document_of(_REPLAY)
    assert (told["state"], told["records"], told["trouble"], told["rate"]) == ("Running", 4, "no broker", 500)
    assert [one["records"] for one in told["partitions"]] == [0, 0]
    assert [one["records"] for one in document_of(_REPLAY, _tally())["partitions"]] == [1, 2]
    assert document_of(replace(_REPLAY, manifest={"name": "kept"})) == {"name": "kept"}


@pytest.mark.parametrize(
    ("count", "size", "rate", "pages"),
    (
        (0, 1, None, []),
        (_AT_ONCE, 1, None, [_AT_ONCE]),
        (_AT_ONCE + 1, 1, None, [_AT_ONCE, 1]),
        (5, 1, 2, [2, 2, 1]),
        (3, 1, 10 * _AT_ONCE, [3]),
        (4, _BYTES_AT_ONCE // 2, None, [2, 2]),
        (2, _BYTES_AT_ONCE // 2 + 1, None, [1, 1]),
        (2, _BYTES_AT_ONCE + 1, None, [1, 1]),
    ),
)
def test_dead_letters_are_redriven_some_at_a_time(count: int, size: int, rate: int | None, pages: list[int]) -> None:
    found = list(_pages([(number, size) for number in range(count)], rate))
    assert [len(page) for page in found] == pages
    assert [number for page in found for number in page] == list(range(count))
