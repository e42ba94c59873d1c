"""What a batch is made of, and what it comes to."""

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
    """What can be due at an instant."""

    SCHEDULED_BINDING = "ScheduledBinding"
    WAITING_BINDING = "WaitingBinding"
    PAYMENT_PROFILE = "PaymentProfile"
    FAN_OUT = "FanOut"


@dataclass(frozen=True, slots=True)
class Due:
    """Something of an organization whose time has come: of a project, a payment profile or an account, by `name`."""

    kind: DueKind
    organization: str
    name: str


Message = CommandMessage | FactMessage | Dead | Due


@dataclass(frozen=True, slots=True)
class Claim:
    """A command's id and what it means, and where among the batch's outgoing events its latest result stands.

    `is_new` tells an id that is taken by this batch from one whose final result follows an interim one.
    """

    organization: str
    source: str
    command_id: str
    fingerprint: bytes
    result_index: int
    is_new: bool


@dataclass(frozen=False, slots=True)
class Answered:
    """What is known of the ids that a batch's commands have; it grows with the batch.

    `fingerprints` are the meanings of those that were claimed, of one that was forgotten the first 8 bytes; `results`
    the latest results of those whose answer is asked for again.
    """

    fingerprints: dict[Identity, bytes] = field(default_factory=dict)
    results: dict[Identity, CommandCompleted] = field(default_factory=dict)


@dataclass(frozen=False, slots=True)
class Folded:
    """What a batch comes to. `unclaimed` are the records that are known only by their place when delivered again.

    `dead` are dead letters, by where among the outgoing events they stand. Commands are counted by the type in their
    attribute: `outcomes`, and the first reason of each that was `rejected`. `refused` counts who was not let in.
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
