"""The models of answers, for the OpenAPI document; an answer that is also a message uses the message's class.

`db.questions` builds the answers; tests compare them with these. Members may be added (docs/contract.md section 11).
"""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from schemas.askers import Role
from schemas.events import AccountState, Cause, Condition, OptionalText, Phase, PhaseReason, Said
from schemas.facts import PaymentProfileState, ProjectState
from schemas.immutable import dataclass
from schemas.records import DeadLetterReason
from schemas.results import CommandCompleted, HeaderCopy, Outcome, Reason, Violation
from schemas.scalars import Identifier, Instant

Item = TypeVar("Item")


class Told(BaseModel):
    """Base of what is answered: camelCase on the wire."""

    model_config = ConfigDict(
        alias_generator=to_camel, serialize_by_alias=True, validate_by_alias=True, validate_by_name=True
    )


class Interval(Told):
    """An account's paying for a project, half-open: `[establishedAt, endedAt)`."""

    organization: Identifier
    project: Identifier
    account: Identifier
    binding_id: str
    currency_code: str | None
    established_at: Instant
    ended_at: Annotated[Instant | None, Field(description="Null while it lasts.")]


class PartOfInterval(Interval):
    """An interval, and the part of it within a period."""

    from_: Annotated[Instant, Field(alias="from", description="Where the part within the period begins.")]
    until: Annotated[
        Instant | None,
        Field(description="Where it ends; null where it lasts and the period has no end, or one that is not closed."),
    ]


class OrganizationAnswer(Told):
    """An organization in numbers."""

    organization: Identifier
    default_account: Annotated[Identifier | None, Field(description="What projects are bound to by default.")]
    accounts: Annotated[int, Field(ge=0, description="Archived ones too.")]
    projects: Annotated[int, Field(ge=0, description="Deleted ones not.")]
    unbound: Annotated[int, Field(ge=0, description="Projects, not deleted, that nobody pays for.")]


class ProjectAnswer(Told):
    """A project as last reported, and who pays for it."""

    organization: Identifier
    project: Identifier
    state: ProjectState
    version: int
    uid: OptionalText = None
    display_name: OptionalText = None
    payer: Annotated[Interval | None, Field(description="Null where nobody pays.")]


class ScheduledBinding(Told):
    """A binding that is to begin."""

    account: Identifier
    effective_at: Instant
    command_id: str
    command_source: str


class WaitingBinding(Told):
    """A command that waits for what it needs."""

    account: Identifier
    until: Annotated[Instant, Field(description="When its patience ends.")]
    command_id: str
    command_source: str


class ProjectDetail(ProjectAnswer):
    """A project, and what is to come of it."""

    scheduled: ScheduledBinding | None
    waiting: Annotated[list[WaitingBinding], Field(description="In order.")]


class PayerAnswer(Told):
    """Who pays for a project at an instant."""

    organization: Identifier
    project: Identifier
    at: Instant
    payer: Annotated[Interval | None, Field(description="The interval that holds `at`; null where nobody pays then.")]
    settled: Annotated[bool, Field(description="Whether the payer at that instant is final.")]


class LookupQuestion(Told):
    """Who pays for a project."""

    organization: Identifier
    project: Identifier
    at: Annotated[Instant | None, Field(description="By default the database's clock.")] = None


class Lookup(Told):
    """Who pays for each of many projects."""

    questions: Annotated[list[LookupQuestion], Field(max_length=10_000)]


class LookedUp(PayerAnswer):
    """Who pays for a project, among many."""

    known: Annotated[bool, Field(description="Whether such a project was ever reported.")]


class LookupAnswer(Told):
    """The answers, in the order of the questions, from one snapshot."""

    closed_until: Annotated[Instant | None, Field(description="The earliest closed instant of those asked about.")]
    answers: list[LookedUp]


class EndOfLookup(Told):
    """The last line, without which an answer in lines is not complete."""

    closed_until: Instant | None
    answers: Annotated[int, Field(ge=0, description="How many lines came before.")]


class EndOfIntervals(Told):
    """The last line, without which an answer in lines is not complete."""

    closed_until: Instant | None
    as_of: Annotated[str, Field(description="The id of the last event that the answer knows.")]
    items: Annotated[int, Field(ge=0, description="How many lines came before.")]
    settled: Annotated[bool, Field(description="Whether this never changes again, but for `endedAt` of what lasts.")]


class LinesFailed(Told):
    """The last line of an answer that is not complete."""

    problem: "ProblemAnswer"


class Profile(Told):
    """A payment profile as last reported."""

    payment_profile: Identifier
    kind: str
    state: PaymentProfileState
    version: int
    expires_at: Instant | None


class Balance(Told):
    """What invoicing says is still owed."""

    outstanding: str
    currency_code: str
    as_of: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDetail(AccountState):
    """An account, and what it lacks, what it pays for, and what keeps it open."""

    bound_projects: Annotated[int, Field(ge=0, description="How many projects it pays for.")]
    missing: Annotated[list[Condition], Field(description="Its conditions that are not `True`.")]
    closure_blockers: Annotated[list[Violation], Field(description="What keeps it from being closed.")]
    profile: Annotated[Profile | None, Field(description="The attached profile; null where it is not known.")]
    balance: Annotated[
        Balance | None, Field(description="The latest balance; absent for whom it is not to be seen by.")
    ] = None
    contact: Annotated[
        dict[str, Any] | None, Field(description="Personal data; absent for whom it is not to be seen by.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEntered(Said):
    """A change of an account's phase."""

    organization: Identifier
    account: Identifier
    previous_phase: Phase | None
    phase: Phase
    reason: PhaseReason
    message: str
    cause: Cause
    at: Instant
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(CommandCompleted):
    """The latest result of a command."""

    event_id: str
    time: Instant


class Results(Told):
    """The latest results of a command, one for each source."""

    items: list[Result]


class AuditedCommand(Told):
    """A command: who asked for it, and what became of it."""

    person: Annotated[str | None, Field(description="As the token says it; null where it is not known.")]
    issuer: Annotated[str | None, Field(description="Whose token it was; null where none was checked, or none held.")]
    roles: Annotated[list[Role], Field(description="By which it was allowed.")]
    command_type: str
    command_id: str
    command_source: str
    dry_run: bool
    outcome: Outcome
    account: OptionalText = None
    project: OptionalText = None
    reasons: Annotated[list[Reason], Field(description="Those of its violations.")]
    event_id: Annotated[str, Field(description="That of its result.")]
    time: Instant


class KeptDeadLetter(Told):
    """A record that could not be answered, and what was done about it."""

    id: str | None
    time: Instant
    organization: Identifier | None
    topic: str
    partition: int
    offset: int
    timestamp: Instant
    reason: DeadLetterReason
    detail: str
    key: Annotated[str | None, Field(description="In base64.")]
    headers: list[HeaderCopy] | None
    size: int | None
    sha256: str | None
    redriven: Annotated[Instant | None, Field(description="When it was put on its topic again.")]
    discarded: Annotated[Instant | None, Field(description="When somebody noted that nothing is to be done.")]


class Replay(BaseModel):
    """A replay: of one that is done, its manifest; of any other, how far it is."""

    model_config = ConfigDict(extra="allow")

    name: str


class Page(Told, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next: Annotated[str | None, Field(description="The cursor of the next page; null on the last one.")]

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Return the name of a page of such items in generated clients."""
        return f"PageOf{params[0].__name__}"


class IntervalPage(Page[PartOfInterval]):
    """A page of intervals."""

    settled: Annotated[bool, Field(description="Whether this never changes again, but for `endedAt` of what lasts.")]


class Status(Told):
    """How a server is."""

    status: str


class ProblemViolation(Told):
    """One thing that is wrong."""

    reason: str
    message: str
    field: Annotated[str, Field(description="The parameter's name, or a JSON pointer into the body.")]


class ProblemAnswer(Told):
    """A problem (RFC 9457)."""

    type: Annotated[str, Field(pattern="^urn:whopays:problem:[A-Za-z]+$")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    violations: Annotated[list[ProblemViolation], Field(max_length=100, description="The first 100.")]
    violation_count: Annotated[int, Field(ge=0, description="How many there are in all.")]
