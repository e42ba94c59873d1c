"""What a subscriber yields: an event, and the transaction that records that it was handled."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aiokafka import TopicPartition

from whopays_client.envelope import Heard
from whopays_client.events import (
    AccountChanged,
    AccountPhaseChanged,
    BindingChanged,
    DeadLetter,
    Event,
    ProjectBillingNotice,
)
from whopays_client.results import CommandCompleted
from whopays_client.store import Transaction

TOPICS: dict[type[Event], str] = {
    BindingChanged: "bindings",
    AccountPhaseChanged: "accounts",
    AccountChanged: "accounts",
    ProjectBillingNotice: "notices",
    CommandCompleted: "command-results",
    DeadLetter: "dead-letters",
}
"""The topic of each event, without prefix."""

Wanted = TypeVar("Wanted", bound=Event)


@dataclass(slots=True)
class Kept:
    """Texts of a batch: `texts` in their current state, and `new` those still to be written."""

    texts: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change(Generic[Wanted, Transaction]):
    """An event, and the transaction that records that it was handled.

    Whatever is written in `transaction` is committed together with the event's sequence, or not at all. `missed` is
    how many changes of the same subject before this one are lost (only after a refetch).
    """

    heard: Heard[Wanted]
    transaction: Transaction
    missed: int = 0
    _kept: Kept = field(default_factory=Kept, repr=False, compare=False)

    @property
    def event(self) -> Wanted:
        """The event, without its envelope."""
        return self.heard.event

    def recall(self, key: str) -> str | None:
        """Return the text under a key that the subscriber's `keep` named for a change of this batch; None if absent."""
        return self._kept.texts.get(key)

    def remember(self, key: str, text: str) -> None:
        """Store a text under a key in this transaction, written together with those of the whole batch."""
        self._kept.texts[key] = self._kept.new[key] = text


@dataclass(slots=True)
class Step:
    """A record to process; `partition` and `offset` are the position after it, `heard` its event, if it is one.

    For an event, `key` is the key under which its `order` is stored; other records have neither.
    """

    partition: TopicPartition | None
    offset: int
    heard: Heard[Event] | None
    key: str = ""
    order: int = 0
    accepts_gap: bool = False
