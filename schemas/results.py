"""The answers (docs/contract.md section 6): `CommandCompleted` to a command, `DeadLetter` to an unanswerable record."""

from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import Field, TypeAdapter

from schemas.events import Event, OptionalName, OptionalText, Said
from schemas.forms import DECIMAL, IDENTIFIER, INSTANT, Form, one_of
from schemas.immutable import dataclass
from schemas.listed import LISTED_PROJECTS
from schemas.records import DeadLetterReason
from schemas.scalars import Identifier, Instant, Wire
from schemas.topics import Topic

LISTED = 100
"""How many violations and events a result lists; it counts all of them."""


class Outcome(StrEnum):
    """What became of a command."""

    APPLIED = "Applied"
    UNCHANGED = "Unchanged"
    SCHEDULED = "Scheduled"
    WAITING = "Waiting"
    REJECTED = "Rejected"


FINAL_OUTCOMES = (Outcome.APPLIED, Outcome.UNCHANGED, Outcome.REJECTED)
"""The outcomes after which no further result of the command follows."""


class Reason(StrEnum):
    """The rules that a command can break, in the order in which violations are listed."""

    UNAUTHENTICATED = "Unauthenticated"
    FORBIDDEN = "Forbidden"
    COMMAND_ID_REUSED = "CommandIdReused"
    EXPIRED = "Expired"
    UNKNOWN_COMMAND = "UnknownCommand"
    INVALID = "Invalid"
    CARD_NUMBER = "CardNumber"
    ACCOUNT_NOT_FOUND = "AccountNotFound"
    ACCOUNT_EXISTS = "AccountExists"
    ACCOUNT_ARCHIVED = "AccountArchived"
    PROJECT_NOT_FOUND = "ProjectNotFound"
    PROJECT_NOT_ACTIVE = "ProjectNotActive"
    ACCOUNT_NOT_READY = "AccountNotReady"
    ACCOUNT_CLOSING = "AccountClosing"
    PRECONDITION_FAILED = "PreconditionFailed"
    CURRENCY_IMMUTABLE = "CurrencyImmutable"
    CURRENCY_MISMATCH = "CurrencyMismatch"
    UNSUPPORTED_PAYMENT_PROFILE = "UnsupportedPaymentProfile"
    INVALID_TRANSITION = "InvalidTransition"
    CAUSE_UNRESOLVED = "CauseUnresolved"
    SELF_APPROVAL = "SelfApproval"
    ACTIVE_BINDINGS_EXIST = "ActiveBindingsExist"
    CHARGES_OUTSTANDING = "ChargesOutstanding"
    TOO_MANY_PROJECTS = "TooManyProjects"
    SUPERSEDED = "Superseded"


REASON_ORDER: dict[Reason, int] = {reason: rank for rank, reason in enumerate(Reason)}

RETRYABLE = frozenset(
    {
        Reason.ACCOUNT_NOT_FOUND,
        Reason.PROJECT_NOT_FOUND,
        Reason.PROJECT_NOT_ACTIVE,
        Reason.ACCOUNT_NOT_READY,
        Reason.ACCOUNT_CLOSING,
        Reason.PRECONDITION_FAILED,
        Reason.CAUSE_UNRESOLVED,
        Reason.ACTIVE_BINDINGS_EXIST,
        Reason.CHARGES_OUTSTANDING,
    }
)
"""The reasons for which the same content may succeed later under a new id."""


BLOCKERS = Form(
    {
        "anyOf": [
            {
                "title": "BlockingProjects",
                "type": "object",
                "properties": {
                    "count": {"type": "integer", "minimum": 1},
                    "projects": {"type": "array", "items": IDENTIFIER.read, "maxItems": LISTED_PROJECTS},
                },
                "required": ["count", "projects"],
            },
            {
                "title": "BlockingBalance",
                "type": "object",
                "properties": {
                    "outstanding": {"anyOf": [DECIMAL.read, {"type": "null"}]},
                    "currencyCode": {"type": ["string", "null"]},
                    "asOf": {"anyOf": [INSTANT.published, {"type": "null"}]},
                },
                "required": ["outstanding", "currencyCode", "asOf"],
            },
        ]
    }
)


class Violation(Wire):
    """One broken rule. `field` is a JSON pointer into the command's data; the message says what would lift it."""

    reason: Reason
    message: str
    field: OptionalText = None
    blockers: Annotated[dict[str, Any] | None, Field(exclude_if=lambda value: value is None), BLOCKERS] = None
    retryable: bool


def violation(
    reason: Reason, message: str, *, field: str | None = None, blockers: dict[str, Any] | None = None
) -> Violation:
    """Return a violation; whether it is retryable follows from its reason."""
    return Violation(reason=reason, message=message, field=field, blockers=blockers, retryable=reason in RETRYABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement(Said):
    """An event of a command, as its result lists it: `type` in full, and subject."""

    type: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCompleted(Event):
    """The result of a command: of every command one, after an interim one where it was scheduled or waits.

    `fingerprint` tells for which content of an id it is; `repeated` that it was published before, and asked for again.
    """

    topic = Topic.COMMAND_RESULTS

    organization: Identifier
    command_id: str
    command_source: str
    command_type: str
    fingerprint: OptionalText = None
    dry_run: bool
    repeated: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    outcome: Outcome
    violations: tuple[Violation, ...]
    violation_count: int
    account: OptionalName = None
    project: OptionalName = None
    binding_id: OptionalText = None
    project_count: Annotated[int | None, Field(exclude_if=lambda value: value is None)] = None
    events: tuple[Announcement, ...]
    event_count: int


def read_result(event: bytes) -> CommandCompleted:
    """Return the result in a published event."""
    return _RESULT.validate_json(orjson.dumps(orjson.loads(event)["data"]))


_RESULT = TypeAdapter(CommandCompleted)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderCopy(Said):
    """A header of a dead record; `value` in base64."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter(Event):
    """A record without an answer. `key` and `value` (its first 64 KiB) in base64, `sha256` of the whole in hex."""

    topic = Topic.DEAD_LETTERS

    # `topic` is both a member of this event's data and of the class, so the data's has another name in code.
    source_topic: Annotated[str, Field(alias="topic")]
    partition: int
    offset: int
    timestamp: Instant
    reason: Annotated[str, one_of(DeadLetterReason)]
    detail: str
    key: str | None
    headers: tuple[HeaderCopy, ...] | None
    value: str | None
    size: int | None
    sha256: str | None
