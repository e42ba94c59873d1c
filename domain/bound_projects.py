"""The projects that an account pays for, as far as a batch has loaded them."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class BoundProjects:
    """The projects that an account pays for: their count, and the first of them by name, as many as were loaded.

    `last_ended_at` is when the most recently ended binding of the account ended.
    """

    count: int = 0
    first: list[str] = field(default_factory=list)
    last_ended_at: datetime | None = None

    def begin(self, project: str) -> None:
        """Add a project; it is listed in `first` if its name sorts there."""
        # An account that was not looked up counts from zero and may go below; decisions cannot ask for it.
        is_complete = len(self.first) >= self.count
        self.count += 1
        if is_complete or (self.first and project < self.first[-1]):
            insort(self.first, project)

    def end(self, project: str, instant: datetime) -> None:
        """Remove a project whose binding ended at an instant."""
        self.count -= 1
        self.last_ended_at = instant
        place = bisect_left(self.first, project)
        if place < len(self.first) and self.first[place] == project:
            del self.first[place]

    def lowest(self, most: int) -> list[str]:
        """Return the first projects by name, at most `most`.

        Raise LookupError when too few are loaded because earlier messages of the batch removed others: for a message
        on its own, enough are always loaded.
        """
        wanted = min(most, self.count)
        if len(self.first) < wanted:
            raise LookupError(f"{wanted} bound projects are needed and {len(self.first)} are loaded")
        return self.first[:wanted]
