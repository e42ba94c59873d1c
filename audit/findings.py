"""What an audit finds."""

from enum import StrEnum

from schemas.immutable import dataclass


class Promise(StrEnum):
    """What is promised; a finding breaks one of them."""

    LOG = "log"
    """Gapless positions, each hash covering the row before, and ends that agree with the shards' heads."""
    SEQUENCES = "sequences"
    """A subject's events, numbered without a gap, each continuing where the one before ended."""
    PAYERS = "payers"
    """Intervals of a project's payers that touch, never overlap, and are what the events said."""
    STATE = "state"
    """Rows that can be loaded: one that cannot turns every record about it into a dead letter."""
    PHASES = "phases"
    """Phases that follow from what is known about an account, and are what the events said."""
    RESULTS = "results"
    """A result for every claimed command."""
    DEAD_LETTERS = "dead-letters"
    """Dead letters kept as they came, with who sent them; and of each that was redriven a record that was read."""
    TOPICS = "topics"
    """Topics that hold the log: every event once, in order, byte for byte."""
    WATERMARKS = "watermarks"
    """Watermarks that never fall, and events that stand where they say."""
    REPLAYS = "replays"
    """The topic of a replay, which holds what its manifest says and the log gives: every record once, in order."""
    RIGHTS = "rights"
    """Roles of the database that may do their part and nothing else, and views that show bound readers their rows."""
    POSITIONS = "positions"
    """The relay's positions, which lie within the log, and the consumer groups', which lie within what was read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken promise: which one, where, and how."""

    promise: Promise
    place: str
    trouble: str

    def __str__(self) -> str:
        return f"{self.place}: {self.trouble}"
