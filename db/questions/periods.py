"""Periods: half-open, and each bound may be left out."""

from dataclasses import dataclass
from datetime import datetime

from db.questions.snapshots import Snapshot
from schemas.instants import format_instant


@dataclass(frozen=True, slots=True)
class Period:
    """`[begin, end)`, as a snapshot knows it; None is no bound.

    What is told of a period that `is_settled` never changes again, but for the `endedAt` of what lasts beyond it.
    """

    begin: datetime | None
    end: datetime | None
    is_settled: bool

    @classmethod
    def of(cls, snapshot: Snapshot, begin: datetime | None = None, end: datetime | None = None) -> "Period":
        """Return a period; it is settled where its end is not after the closed instant."""
        return cls(begin, end, snapshot.is_settled(end))

    def within(self, established_at: datetime, ended_at: datetime | None) -> dict[str, str | None]:
        """Return `from` and `until`: the part of an interval within the period.

        `until` is None where the interval lasts and the period has no end, or one that is not closed: it may still end
        before that.
        """
        begin = established_at if self.begin is None else max(established_at, self.begin)
        if ended_at is None:
            end = self.end if self.is_settled else None
        else:
            end = ended_at if self.end is None else min(ended_at, self.end)
        return {"from": format_instant(begin), "until": None if end is None else format_instant(end)}
