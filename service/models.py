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
    """Base of answers: camelCase on the wire."""

    model_config = ConfigDict(
        alias_generator=to_camel, serialize_by_alias=True, validate_by_alias=True, validate_by_name=True
    )


class Interval(Told):
    """A period in which an account pays for a project, half-open: `[establishedAt, endedAt)`."""

    organization: Identifier
    project: Identifier
    account: Identifier
    binding_id: str
    currency_code: str | None
    established_at: Instant
    ended_at: Annotated[Instant | None, Field(description="Null while the interval lasts.")]


class PartOfInterval(Interval):
    """An interval, and the part of it within the requested period."""

    from_: Annotated[Instant, Field(alias="from", description="The start of the part within the period.")]
    until: Annotated[
        Instant | None,
        Field(description="The end of the part; null if the interval lasts and the period has no closed end."),
    ]


class OrganizationAnswer(Told):
    """An organization in numbers."""

    organization: Identifier
    default_account: Annotated[Identifier | None, Field(description="The account bound to projects by default.")]
    accounts: Annotated[int, Field(ge=0, description="Includes archived accounts.")]
    projects: Annotated[int, Field(ge=0, description="Excludes deleted projects.")]
    unbound: Annotated[int, Field(ge=0, description="Projects without a payer, excluding deleted ones.")]


class ProjectAnswer(Told):
    """A project as last reported, and its payer."""

    organization: Identifier
    project: Identifier
    state: ProjectState
    version: int
    uid: OptionalText = None
    display_name: OptionalText = None
    payer: Annotated[Interval | None, Field(description="Null if nobody pays.")]


class ScheduledBinding(Told):
    """A binding that takes effect later."""

    account: Identifier
    effective_at: Instant
    command_id: str
    command_source: str


class WaitingBinding(Told):
    """A command that waits until its binding is possible."""

    account: Identifier
    until: Annotated[Instant, Field(description="The instant at which the command stops waiting.")]
    command_id: str
    command_source: str


class ProjectDetail(ProjectAnswer):
    """A project, with its scheduled and waiting bindings."""

    scheduled: ScheduledBinding | None
    waiting: Annotated[list[WaitingBinding], Field(description="In the order in which they wait.")]


class PayerAnswer(Told):
    """Who pays for a project at an instant."""

    organization: Identifier
    project: Identifier
    at: Instant
    payer: Annotated[Interval | None, Field(description="The interval that contains `at`; null if nobody pays then.")]
    settled: Annotated[bool, Field(description="Whether the payer at that instant is final.")]


class LookupQuestion(Told):
    """A question about the payer of a project."""

    organization: Identifier
    project: Identifier
    at: Annotated[Instant | None, Field(description="Default: the database's clock.")] = None


class Lookup(Told):
    """Questions about the payers of many projects."""

    questions: Annotated[list[LookupQuestion], Field(max_length=10_000)]


class LookedUp(PayerAnswer):
    """The answer to one question of a lookup."""

    known: Annotated[bool, Field(description="Whether the project was ever reported.")]


class LookupAnswer(Told):
    """The answers, in the order of the questions, from one snapshot."""

    closed_until: Annotated[Instant | None, Field(description="The earliest of the organizations' closed instants.")]
    answers: list[LookedUp]


class EndOfLookup(Told):
    """The last line; an answer in lines without it is incomplete."""

    closed_until: Instant | None
    answers: Annotated[int, Field(ge=0, description="The number of lines before this one.")]


class EndOfIntervals(Told):
    """The last line; an answer in lines without it is incomplete."""

    closed_until: Instant | None
    as_of: Annotated[str, Field(description="The id of the last event that the answer reflects.")]
    items: Annotated[int, Field(ge=0, description="The number of lines before this one.")]
    settled: Annotated[bool, Field(description="Whether this is final, except for `endedAt` of what still lasts.")]


class LinesFailed(Told):
    """The last line of an incomplete answer."""

    problem: "ProblemAnswer"


class Profile(Told):
    """A payment profile as last reported."""

    payment_profile: Identifier
    kind: str
    state: PaymentProfileState
    version: int
    expires_at: Instant | None


class Balance(Told):
    """The outstanding balance as reported by invoicing."""

    outstanding: str
    currency_code: str
    as_of: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDetail(AccountState):
    """An account, what it lacks, how many projects it pays for, and what blocks its closure."""

    bound_projects: Annotated[int, Field(ge=0, description="The number of projects that it pays for.")]
    missing: Annotated[list[Condition], Field(description="The conditions that are not `True`.")]
    closure_blockers: Annotated[list[Violation], Field(description="What blocks the closure of the account.")]
    profile: Annotated[Profile | None, Field(description="The attached profile; null if it is not known.")]
    balance: Annotated[
        Balance | None, Field(description="The latest balance; absent for askers who may not see it.")
    ] = None
    contact: Annotated[
        dict[str, Any] | None, Field(description="Personal data; absent for askers who may not see it.")
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
    """A command: who sent it, and its outcome."""

    person: Annotated[str | None, Field(description="The name in the token; null if it is not known.")]
    issuer: Annotated[str | None, Field(description="The token's issuer; null if no token was checked or valid.")]
    roles: Annotated[list[Role], Field(description="The roles that allowed the command.")]
    command_type: str
    command_id: str
    command_source: str
    dry_run: bool
    outcome: Outcome
    account: OptionalText = None
    project: OptionalText = None
    reasons: Annotated[list[Reason], Field(description="The reasons of its violations.")]
    event_id: Annotated[str, Field(description="The id of the event with its result.")]
    time: Instant


class KeptDeadLetter(Told):
    """A record that could not be answered, and what operators did about it."""

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
    redriven: Annotated[Instant | None, Field(description="When the record was sent to its topic again.")]
    discarded: Annotated[Instant | None, Field(description="When an operator discarded the dead letter.")]


class Replay(BaseModel):
    """A replay: the manifest if it is done, otherwise its progress."""

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

    settled: Annotated[bool, Field(description="Whether this is final, except for `endedAt` of what still lasts.")]


class Status(Told):
    """The status of a server."""

    status: str


class ProblemViolation(Told):
    """A violation in the request."""

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
    violation_count: Annotated[int, Field(ge=0, description="The total number of violations.")]
