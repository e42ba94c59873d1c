"""What an audit finds."""

from enum import StrEnum

from schemas.immutable import dataclass


class Promise(StrEnum):
    """What is promised; a finding breaks one of them."""

    LOG = "log"
    """Positions without a hole, each hash over the row before, ends that agree with the shards' heads."""
    SEQUENCES = "sequences"
    """Of a subject every event, numbered without a hole, and each taking up where the one before ended."""
    PAYERS = "payers"
    """Intervals of a project's payers that touch and never overlap, and that are what the events told."""
    STATE = "state"
    """Rows that can be loaded: one that cannot turns whatever is about it into a dead letter."""
    PHASES = "phases"
    """Phases that follow from what is known of an account, and that are what the events told."""
    RESULTS = "results"
    """A result for every claimed command."""
    TOPICS = "topics"
    """Topics that hold the log: every event once, in order, byte for byte."""
    POSITIONS = "positions"
    """The relay's positions, which lie in the log, and those of the consumer groups, which lie in what was read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken promise: which, where, and in words."""

    promise: Promise
    place: str
    trouble: str

    def __str__(self) -> str:
        return f"{self.place}: {self.trouble}"
