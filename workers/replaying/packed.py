"""The contents of one transaction of a replay: records, markers, and the new tally."""

from typing import Any

from db.history import HistoryRow
from db.replays import KeptReplay
from schemas.outgoing import JSON_HEADER, REPLAY_HEADER, headers_of
from schemas.replays import marker_key, render_marker
from workers.publishing.packing import BatchWriter, partition_of
from workers.publishing.producer import Place, TransactionalProducer
from workers.replaying.tally import Tally


class Packed:
    """Records of one transaction, counted as they are added."""

    def __init__(self, producer: TransactionalProducer, replay: KeptReplay, tally: Tally) -> None:
        self._writer = BatchWriter(producer)
        self._replay = replay
        self._tally = tally
        self._header = (REPLAY_HEADER, replay.name.encode())
        self.rows = 0
        self.bytes = 0
        self.written = tally.records
        self.places: list[tuple[int, int]] = []

    def add(self, row: HistoryRow) -> None:
        """Add a row to the batches and to the tally."""
        partition = partition_of(row.key, row.position, self._replay.partitions)
        self._writer.add((self._replay.target, partition), row.key, row.value, [*headers_of(row.value), self._header])
        self._tally.add(row, partition)
        self.rows += 1
        self.bytes += len(row.value)
        self.written += 1
        self.places.append((row.shard, row.position))

    def add_markers(self, source: str) -> None:
        """Add the final marker of each partition."""
        finished_at = self._tally.finished_at
        for partition in range(self._replay.partitions):
            value = render_marker(self._tally.marker(self._replay, partition), source, finished_at)
            place = (self._replay.target, partition)
            self._writer.add(place, marker_key(self._replay.name, partition), value, [JSON_HEADER])

    def finished(self, positions: str) -> list[tuple[Place, Any]]:
        """Add the tally, and return the batches."""
        self._writer.add((positions, 0), *self._tally.render(self._replay.name), [])
        return self._writer.batches
