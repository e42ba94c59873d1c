"""What is judged: what was sent, what the topics hold, and what the database holds, as plain values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

Headers = tuple[tuple[str, bytes | None], ...]
Place = tuple[str, int, int]
"""Topic without prefix, partition, offset."""


class Heard(NamedTuple):
    """A record of an input topic, as the broker holds it; or as it was acknowledged, before a test deleted it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def place(self) -> Place:
        """Where it lies."""
        return (self.topic, self.partition, self.offset)


class Published(NamedTuple):
    """A record of an output topic, as readers of committed records get it; `id` is that of its headers."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    id: str


class Row(NamedTuple):
    """A row of the log."""

    shard: int
    position: int
    topic: str
    key: bytes | None
    value: bytes
    hash: bytes
    asked: str | None = None


class Paid(NamedTuple):
    """A row of the bindings: who pays for a project, or that nobody does, from an instant until the next number."""

    organization: str
    project: str
    number: int
    account: str | None
    since: datetime


class Claimed(NamedTuple):
    """A row of the inbox: an id that was used, and where its latest result stands."""

    organization: str
    source: str
    command_id: str
    shard: int
    position: int


class KnownProject(NamedTuple):
    """A row of the projects."""

    organization: str
    project: str
    state: str
    version: int
    uid: str | None
    display_name: str | None
    number: int
    account: str | None
    payer_since: datetime | None


class KnownProfile(NamedTuple):
    """A row of the payment profiles."""

    organization: str
    profile: str
    state: str
    version: int


class KnownAccount(NamedTuple):
    """A row of the accounts."""

    organization: str
    account: str
    phase: str
    version: int
    sequence: int


class Phase(NamedTuple):
    """A row of the history of an account's phases."""

    organization: str
    account: str
    number: int
    previous: str | None
    phase: str


class PaidAt(NamedTuple):
    """The database's answer to *who pays for what at this instant?*: accounts by organization and project."""

    instant: datetime
    payers: dict[tuple[str, str], str]


@dataclass
class Evidence:
    """Everything the judge knows. `acknowledged` are records that the broker promised to keep.

    `heard` is in order within each partition; `made_faulty` are the places of records whose handling a test made fail;
    `deleted` those of records that a test deleted: `heard` has them, but nobody knows whether they were read. `stamps`
    say when the broker got each record of `heard`, where tokens are checked.
    """

    acknowledged: list[Heard]
    heard: list[Heard]
    published: list[Published]
    watermarks: list[Published]
    log: list[Row]
    heads: dict[int, tuple[int, bytes]]
    begins: dict[int, int]
    bindings: list[Paid]
    paid_at: list[PaidAt]
    projects: list[KnownProject]
    profiles: list[KnownProfile]
    accounts: list[KnownAccount]
    phases: list[Phase]
    inbox: list[Claimed]
    forgotten: dict[bytes, tuple[int, int]]
    """Of commands that retention took out of the inbox: where the latest result stands, by the digest that is kept."""
    dead_letters: list[Place]
    unfinished: list[str]
    made_faulty: set[Place]
    deleted: set[Place]
    stamps: dict[Place, datetime] | None = None


Json = dict[str, Any]
