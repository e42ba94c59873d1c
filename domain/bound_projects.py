"""The projects that an account pays for, as far as a batch knows them."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class BoundProjects:
    """The projects that an account pays for: how many, and the first of them by name, as many as were loaded.

    `last_ended_at` is the end of the latest binding of the account that ended.
    """

    count: int = 0
    first: list[str] = field(default_factory=list)
    last_ended_at: datetime | None = None

    def begin(self, project: str) -> None:
        """Count one more; it stands among the first if its name does."""
        # An account that was not looked up is counted from zero, maybe below; nobody may ask for it.
        is_complete = len(self.first) >= self.count
        self.count += 1
        if is_complete or (self.first and project < self.first[-1]):
            insort(self.first, project)

    def end(self, project: str, instant: datetime) -> None:
        """Count one less, whose binding ended at an instant."""
        self.count -= 1
        self.last_ended_at = instant
        place = bisect_left(self.first, project)
        if place < len(self.first) and self.first[place] == project:
            del self.first[place]

    def lowest(self, most: int) -> list[str]:
        """Return the first projects by name, at most `most`.

        Raises LookupError when too few are loaded, because earlier messages of the batch took others away: a message on
        its own always has enough.
        """
        wanted = min(most, self.count)
        if len(self.first) < wanted:
            raise LookupError(f"{wanted} bound projects are needed and {len(self.first)} are loaded")
        return self.first[:wanted]
