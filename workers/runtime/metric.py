"""The declaration of a metric: its name, kind, unit and labels, and which processes have it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "whopays_"


class Kind(StrEnum):
    """The Prometheus type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(StrEnum):
    """The unit of a metric. Its name ends with it, before a counter's `_total`; plain numbers have none."""

    SECONDS = "seconds"
    BYTES = "bytes"


class Step(StrEnum):
    """The steps of a batch, in order."""

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
    """The outcome of checking a token."""

    VERIFIED = "verified"
    KNOWN = "known"
    REFUSED = "refused"


class Remembered(StrEnum):
    """The kinds of rows that a process remembers."""

    PROJECTS = "projects"
    ACCOUNTS = "accounts"
    PAYMENT_PROFILES = "payment_profiles"
    ORGANIZATIONS = "organizations"


class Recall(StrEnum):
    """Whether a row that a batch needs was remembered or had to be loaded."""

    HIT = "hit"
    MISS = "miss"


class ChoreName(StrEnum):
    """The chores of the role `maintenance`."""

    PARTITIONS = "partitions"
    COMMANDS = "commands"
    RECORDS = "records"
    DEAD_LETTERS = "dead-letters"
    ARCHIVE = "archive"


class Forgotten(StrEnum):
    """What retention removes."""

    COMMANDS = "commands"
    RECORDS = "records"
    DEAD_LETTERS = "dead-letters"
    """Only their content."""
    WHOLE_DEAD_LETTERS = "whole-dead-letters"


class Connection(StrEnum):
    """The state of a pooled connection."""

    IN_USE = "in_use"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Label:
    """A label: all its values, or, if only a running process knows them, what bounds their number."""

    name: str
    values: tuple[str, ...] = ()
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of each process that plays one of `roles`; with `needs_tokens` only where tokens are checked."""

    kind: Kind
    name: str
    help: str
    roles: tuple[str, ...]
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    needs_tokens: bool = False

    @property
    def unit(self) -> Unit | None:
        """The unit; None for a plain number."""
        last = self.name.removesuffix("_total").rpartition("_")[2]
        return next((unit for unit in Unit if unit == last), None)

    def is_of(self, roles: Iterable[str], *, checks_tokens: bool = True) -> bool:
        """Return whether a process that plays these roles has this metric."""
        return not set(self.roles).isdisjoint(roles) and (checks_tokens or not self.needs_tokens)

    def known_values(self, label: Label, roles: Iterable[str]) -> tuple[str, ...]:
        """Return the label values to create at the start; of roles, only those that the process plays."""
        return tuple(value for value in label.values if label.name != "role" or value in set(roles))
