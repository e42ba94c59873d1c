"""The findings of an audit."""

from enum import StrEnum

from schemas.immutable import dataclass


class Promise(StrEnum):
    """What an audit checks; a finding is one broken promise."""

    LOG = "log"
    """Positions have no gaps, each hash covers the row before, and the logs end at the shards' heads."""
    SEQUENCES = "sequences"
    """A subject's events are numbered without gaps, and each continues where the one before ended."""
    PAYERS = "payers"
    """The intervals of a project's payers touch, never overlap, and match the events."""
    STATE = "state"
    """All rows can be loaded: one that cannot turns every record about it into a dead letter."""
    PHASES = "phases"
    """Phases follow from the account's state and match the events."""
    RESULTS = "results"
    """Every claimed command has a result."""
    DEAD_LETTERS = "dead-letters"
    """Dead letters are stored unaltered, with their senders; the record of each redriven one was read."""
    TOPICS = "topics"
    """The topics hold the log: every event once, in order, byte for byte."""
    WATERMARKS = "watermarks"
    """Watermarks never fall, and events lie before the offsets of the watermarks that close them."""
    REPLAYS = "replays"
    """A replay's topic matches its manifest and the log: every record once, in order."""
    RIGHTS = "rights"
    """Database roles have their privileges and no others; the views show bound readers only their own rows."""
    POSITIONS = "positions"
    """The relay's positions lie within the log, and the consumer groups' offsets within what was read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken promise: which one, where, and how."""

    promise: Promise
    place: str
    trouble: str

    def __str__(self) -> str:
        return f"{self.place}: {self.trouble}"
