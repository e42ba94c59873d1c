"""What a metric is, before it is counted: what it is called, measures and is told by, and which processes have it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "whopays_"


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(StrEnum):
    """What is measured in. A name ends with it, before the `_total` of a counter; plain numbers have none."""

    SECONDS = "seconds"
    BYTES = "bytes"


class Step(StrEnum):
    """A step of a batch, in the order in which a batch takes them."""

    VERIFY = "verify"
    READ = "read"
    CONNECT = "connect"
    LOCK = "lock"
    LOAD = "load"
    DECIDE = "decide"
    STORE = "store"
    APPEND = "append"
    COMMIT = "commit"


class Found(StrEnum):
    """What came of a token."""

    VERIFIED = "verified"
    KNOWN = "known"
    REFUSED = "refused"


class Remembered(StrEnum):
    """What a process remembers of its shards."""

    PROJECTS = "projects"
    ACCOUNTS = "accounts"
    PAYMENT_PROFILES = "payment_profiles"
    ORGANIZATIONS = "organizations"


class Recall(StrEnum):
    """Whether what a batch needs was remembered, or had to be loaded."""

    HIT = "hit"
    MISS = "miss"


class ChoreName(StrEnum):
    """What the role `maintenance` does."""

    PARTITIONS = "partitions"
    COMMANDS = "commands"
    RECORDS = "records"
    DEAD_LETTERS = "dead-letters"
    ARCHIVE = "archive"


class Forgotten(StrEnum):
    """What retention takes away."""

    COMMANDS = "commands"
    RECORDS = "records"
    DEAD_LETTERS = "dead-letters"
    """Their content."""
    WHOLE_DEAD_LETTERS = "whole-dead-letters"


class Connection(StrEnum):
    """What a connection of the pool is doing."""

    IN_USE = "in_use"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Label:
    """A label: all its values, or, where only a running process knows them, what bounds their number."""

    name: str
    values: tuple[str, ...] = ()
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of each process that plays one of the roles; with `needs_tokens` only where tokens are checked."""

    kind: Kind
    name: str
    help: str
    roles: tuple[str, ...]
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    needs_tokens: bool = False

    @property
    def unit(self) -> Unit | None:
        """What it is measured in; None for a plain number."""
        last = self.name.removesuffix("_total").rpartition("_")[2]
        return next((unit for unit in Unit if unit == last), None)

    def is_of(self, roles: Iterable[str], *, checks_tokens: bool = True) -> bool:
        """Return whether a process has it that plays these roles."""
        return not set(self.roles).isdisjoint(roles) and (checks_tokens or not self.needs_tokens)

    def known_values(self, label: Label, roles: Iterable[str]) -> tuple[str, ...]:
        """Return the values of a label that there are from the start; a process tells of no roles but its own."""
        return tuple(value for value in label.values if label.name != "role" or value in set(roles))
