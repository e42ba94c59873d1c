"""What was replayed so far: counts, digests and positions, stored in Kafka together with the records."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from db.history import HistoryRow
from db.replays import KeptReplay
from schemas.instants import format_instant, parse_instant
from schemas.replays import (
    Manifest,
    ReplayCompleted,
    ReplayedPartition,
    ReplayedShard,
    ReplayState,
    marker_id,
    type_in,
)

FIRST_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class Progress:
    """A replay's progress: records written, and positions of the log that are finished, out of `to_look_at`."""

    records: int
    looked_at: int
    to_look_at: int


@dataclass(slots=True)
class PartitionTally:
    """The records in a partition."""

    records: int = 0
    digest: bytes = FIRST_DIGEST
    first_id: str | None = None
    last_id: str | None = None

    def add(self, event_id: str, key: bytes | None, value: bytes) -> None:
        """Count the next record."""
        self.records += 1
        self.digest = next_digest(self.digest, key, value)
        self.first_id = self.first_id or event_id
        self.last_id = event_id


@dataclass(slots=True)
class Tally:
    """The records in all partitions, each shard's last replayed position, and when the replay was complete."""

    partitions: list[PartitionTally]
    types: Counter[str] = field(default_factory=Counter)
    positions: dict[int, int] = field(default_factory=dict)
    finished_at: datetime | None = None

    @classmethod
    def empty(cls, partitions: int) -> "Tally":
        """Return the tally of an empty target."""
        return cls([PartitionTally() for _ in range(partitions)])

    @property
    def records(self) -> int:
        """The total number of records."""
        return sum(one.records for one in self.partitions)

    def add(self, row: HistoryRow, partition: int) -> None:
        """Count the next row of a partition."""
        self.partitions[partition].add(row.event_id, row.key, row.value)
        self.types[type_in(row.value)] += 1
        self.positions[row.shard] = row.position

    def render(self, name: str) -> tuple[bytes, bytes]:
        """Return the key and value of a replay's record on `replay-positions`."""
        value = {
            "replay": name,
            "positions": {str(shard): position for shard, position in self.positions.items()},
            "types": dict(self.types),
            "partitions": [[one.records, one.digest.hex(), one.first_id, one.last_id] for one in self.partitions],
            "finishedAt": self.finished_at and format_instant(self.finished_at),
        }
        return name.encode(), orjson.dumps(value)

    @classmethod
    def read(cls, value: bytes) -> "Tally":
        """Return the tally that `render` wrote."""
        said = orjson.loads(value)
        finished_at = said["finishedAt"]
        return cls(
            [
                PartitionTally(records, bytes.fromhex(digest), first_id, last_id)
                for records, digest, first_id, last_id in said["partitions"]
            ],
            Counter(said["types"]),
            {int(shard): position for shard, position in said["positions"].items()},
            finished_at and parse_instant(finished_at),
        )

    def last_ids(self, name: str) -> dict[int, str | None]:
        """Return the event id of each partition's last record: its marker's, once the replay is complete."""
        return {
            number: one.last_id if self.finished_at is None else marker_id(name, number)
            for number, one in enumerate(self.partitions)
        }

    def marker(self, replay: KeptReplay, partition: int) -> ReplayCompleted:
        """Return the marker that ends a partition."""
        told = self.partitions[partition]
        return ReplayCompleted(
            replay=replay.name,
            partition=partition,
            records=told.records,
            total_records=self.records,
            digest=told.digest.hex(),
            first_id=told.first_id,
            last_id=told.last_id,
            selection=replay.selection,
            until=replay.until,
        )


def manifest_of(replay: KeptReplay, tally: Tally, state: ReplayState, *, has_target: bool = True) -> Manifest:
    """Return the manifest of a replay with this tally."""
    return Manifest(
        name=replay.name,
        state=state,
        selection=replay.selection,
        target=replay.target if has_target else None,
        until=replay.until,
        available_from=replay.available_from,
        begun_at=replay.begun_at,
        finished_at=tally.finished_at,
        records=tally.records,
        types=dict(sorted(tally.types.items())),
        partitions=tuple(
            ReplayedPartition(
                partition=number, records=one.records, digest=one.digest.hex(), first_id=one.first_id,
                last_id=one.last_id,
            )
            for number, one in enumerate(tally.partitions)
        ),
        shards=tuple(_shard(shard, replay.spans, tally) for shard in sorted(replay.spans)),
    )  # fmt: skip


def next_digest(digest: bytes, key: bytes | None, value: bytes) -> bytes:
    """Return the digest of a partition after one more record (docs/contract.md section 10)."""
    return hashlib.sha256(digest + _with_length(key) + _with_length(value)).digest()


def document_of(replay: KeptReplay, tally: Tally | None = None) -> dict[str, Any]:
    """Return what `whopays replay show --json` prints: the manifest, or the progress of an unfinished replay."""
    if replay.manifest is not None:
        return replay.manifest
    document = manifest_of(replay, tally or Tally.empty(replay.partitions), replay.state).document()
    return document | {"records": replay.records, "trouble": replay.trouble, "rate": replay.rate}


def _shard(shard: int, spans: Mapping[int, tuple[int, int]], tally: Tally) -> ReplayedShard:
    if shard not in tally.positions:
        return ReplayedShard(shard=shard, first=None, last=None)
    after, last = spans[shard]
    return ReplayedShard(shard=shard, first=after + 1, last=last)


def _with_length(part: bytes | None) -> bytes:
    return _NONE if part is None else len(part).to_bytes(4, "big") + part


_NONE = b"\xff\xff\xff\xff"
