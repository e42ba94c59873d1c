"""The messages of a batch, and its result."""

from collections import Counter
from dataclasses import field
from enum import StrEnum

from domain.dead_letters import Dead
from schemas.immutable import dataclass
from schemas.outgoing import Outgoing
from schemas.parsing import CommandMessage, FactMessage, Identity
from schemas.records import Record
from schemas.results import CommandCompleted, Outcome, Reason


class DueKind(StrEnum):
    """The kinds of work that can fall due."""

    SCHEDULED_BINDING = "ScheduledBinding"
    WAITING_BINDING = "WaitingBinding"
    PAYMENT_PROFILE = "PaymentProfile"
    FAN_OUT = "FanOut"


@dataclass(frozen=True, slots=True)
class Due:
    """Work of an organization that has fallen due; `name` is that of its project, payment profile or account."""

    kind: DueKind
    organization: str
    name: str


Message = CommandMessage | FactMessage | Dead | Due


@dataclass(frozen=True, slots=True)
class Claim:
    """A command's id and fingerprint, and the index of its latest result among the batch's outgoing events.

    `is_new` distinguishes an id claimed by this batch from one whose final result follows an interim one.
    """

    organization: str
    source: str
    command_id: str
    fingerprint: bytes
    result_index: int
    is_new: bool


@dataclass(frozen=False, slots=True)
class Answered:
    """What is known about the ids of a batch's commands; it grows as the batch is decided.

    `fingerprints` are those of claimed ids (only the first 8 bytes for a forgotten command); `results` are the latest
    results of commands whose answer is requested again.
    """

    fingerprints: dict[Identity, bytes] = field(default_factory=dict)
    results: dict[Identity, CommandCompleted] = field(default_factory=dict)


@dataclass(frozen=False, slots=True)
class Folded:
    """The result of a batch. `unclaimed` are the records that only their place identifies when they are redelivered.

    `dead` are dead letters, by their index among the outgoing events. Commands are counted by their `type` attribute:
    `outcomes`, and for each `rejected` one its first reason. `refused` counts commands that were not admitted.
    """

    outgoing: list[Outgoing] = field(default_factory=list)
    claims: dict[Identity, Claim] = field(default_factory=dict)
    unclaimed: list[Record] = field(default_factory=list)
    dead: dict[int, Dead] = field(default_factory=dict)
    stale_facts: int = 0
    repeated_commands: int = 0
    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    rejected: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    refused: Counter[Reason] = field(default_factory=Counter)

    def result_of(self, claim: Claim) -> CommandCompleted:
        """Return the latest result of a claimed id."""
        result = self.outgoing[claim.result_index].event
        if not isinstance(result, CommandCompleted):
            raise TypeError(f"a claim names {result.name()} as its result")
        return result
