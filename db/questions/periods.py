"""Half-open periods, whose bounds may be left out."""

from dataclasses import dataclass
from datetime import datetime

from db.questions.snapshots import Snapshot
from schemas.instants import format_instant


@dataclass(frozen=True, slots=True)
class Period:
    """`[begin, end)` as of a snapshot; None means unbounded.

    Answers about a period that `is_settled` never change again, except for the `endedAt` of intervals that outlast it.
    """

    begin: datetime | None
    end: datetime | None
    is_settled: bool

    @classmethod
    def of(cls, snapshot: Snapshot, begin: datetime | None = None, end: datetime | None = None) -> "Period":
        """Return a period; it is settled if its end is not after the closed instant."""
        return cls(begin, end, snapshot.is_settled(end))

    def within(self, established_at: datetime, ended_at: datetime | None) -> dict[str, str | None]:
        """Return `from` and `until`: the part of an interval within the period.

        `until` is None if the interval has not ended and the period has no end or is not settled: the interval may
        still end before the period does.
        """
        begin = established_at if self.begin is None else max(established_at, self.begin)
        if ended_at is None:
            end = self.end if self.is_settled else None
        else:
            end = ended_at if self.end is None else min(ended_at, self.end)
        return {"from": format_instant(begin), "until": None if end is None else format_instant(end)}
