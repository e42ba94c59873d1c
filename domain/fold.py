"""A batch, decided record by record in order: commands, facts, and what can be answered by a dead letter only."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from domain.accounts import attach_payment_profile, create_account, suspend_account
from domain.bindings import bind_project
from domain.book import Book
from domain.dead_letters import Dead, dead_letter
from domain.decision import Context, Decision, Policy, rejected
from domain.facts import payment_profile_changed, project_changed
from schemas.commands import AttachPaymentProfile, BindProject, Command, CreateAccount, SuspendAccount
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.outgoing import Outgoing
from schemas.reading import CommandMessage, FactMessage
from schemas.records import Record, Unanswerable
from schemas.results import LISTED, Announcement, CommandCompleted, Outcome, Reason, Violation, violation

Message = CommandMessage | FactMessage | Dead
Identity = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """A command's id is taken: by which meaning, and where among the batch's outgoing events its result stands."""

    organization: str
    source: str
    command_id: str
    fingerprint: bytes
    result_index: int


@dataclass(slots=True)
class Folded:
    """What a batch comes to. `unclaimed` are the records that were answered without claiming an id."""

    outgoing: list[Outgoing] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    unclaimed: list[Record] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    stale_facts: int = 0
    repeated_commands: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=dict)


def fold(
    messages: Iterable[Message], book: Book, fingerprints: dict[Identity, bytes], policy: Policy, now: datetime
) -> Folded:
    """Decide all messages in order; `book` ends in the state that they lead to.

    `fingerprints` holds the meaning of each command id of the batch that was claimed before; it grows with the batch.
    """
    folded = Folded()
    for message in messages:
        match message:
            case CommandMessage():
                _command(message, book, fingerprints, policy, now, folded)
            case FactMessage():
                _fact(message, book, policy, now, folded)
            case Dead():
                _dead(message, now, folded)
            case _:
                assert_never(message)
    return folded


def decide(command: Command, book: Book, context: Context, policy: Policy) -> Decision:
    """Judge a well-formed command against the state (docs/contract.md section 5)."""
    match command:
        case BindProject():
            return bind_project(command, book, context)
        case CreateAccount():
            return create_account(command, book, context, policy)
        case AttachPaymentProfile():
            return attach_payment_profile(command, book, context, policy)
        case SuspendAccount():
            return suspend_account(command, book, context, policy)
        case _:
            raise NotImplementedError(type(command).__name__)


def _command(
    message: CommandMessage,
    book: Book,
    fingerprints: dict[Identity, bytes],
    policy: Policy,
    now: datetime,
    folded: Folded,
) -> None:
    event = message.event
    identity = (message.organization, event.source, event.id)
    claimed = None if message.dry_run else fingerprints.get(identity)
    if claimed == message.fingerprint:
        folded.repeated_commands += 1
        return
    broken = _identity_rules(message, claimed, now)
    context = Context(now, event.id, event.sender or "", True, event.passed_on)
    decision = _judged(message, broken, book, context, policy)
    if not message.dry_run:
        book.apply(decision.changes)
        folded.outgoing.extend(decision.events)
    if message.dry_run or claimed is not None or any(rule.reason is Reason.UNAUTHENTICATED for rule in broken):
        folded.unclaimed.append(message.record)
    else:
        fingerprints[identity] = message.fingerprint
        folded.claims.append(Claim(*identity, message.fingerprint, len(folded.outgoing)))
    folded.outgoing.append(_result(message, decision, now))
    folded.outcomes[decision.outcome] = folded.outcomes.get(decision.outcome, 0) + 1


def _identity_rules(message: CommandMessage, claimed: bytes | None, now: datetime) -> list[Violation]:
    event = message.event
    broken = []
    if event.sender is None or event.sender.startswith("system:"):
        broken.append(violation(Reason.UNAUTHENTICATED, "authid must say who asks, and not begin with system:"))
    if claimed is not None:
        message_ = "this id was used for a command of another meaning: send it under a new id"
        broken.append(violation(Reason.COMMAND_ID_REUSED, message_))
    if event.expires is not None and event.expires < now:
        broken.append(violation(Reason.EXPIRED, "the command was read after its expirytime: send it anew"))
    if not message.known:
        broken.append(violation(Reason.UNKNOWN_COMMAND, "no such command is known in this version"))
    return broken


def _judged(message: CommandMessage, broken: list[Violation], book: Book, context: Context, policy: Policy) -> Decision:
    if broken or message.command is None:
        named = message.command
        return rejected(
            broken or message.violations,
            account=getattr(named, "account", None),
            project=getattr(named, "project", None),
        )
    return decide(message.command, book, context, policy)


def _result(message: CommandMessage, decision: Decision, now: datetime) -> Outgoing:
    event = message.event
    is_applied = decision.outcome is Outcome.APPLIED
    completed = CommandCompleted(
        organization=message.organization,
        command_id=event.id,
        command_source=event.source,
        command_type=event.type,
        dry_run=message.dry_run,
        outcome=decision.outcome,
        violations=decision.violations[:LISTED],
        violation_count=len(decision.violations),
        account=decision.account,
        project=decision.project,
        # What a dry run would bind gets no id: the binding does not exist.
        binding_id=None if message.dry_run and is_applied else decision.binding_id,
        events=tuple(Announcement(type=event.type, subject=event.subject) for event in decision.events[:LISTED]),
        event_count=len(decision.events),
    )
    return Outgoing(
        event=completed,
        boundary=message.organization,
        subject=message.organization,
        key=message.organization.encode(),
        time=now,
        causation_id=event.id,
        sender=event.sender,
        passed_on=event.passed_on,
    )


def _fact(message: FactMessage, book: Book, policy: Policy, now: datetime, folded: Folded) -> None:
    context = Context(now, message.event.id, message.sender, False, message.event.passed_on)
    try:
        match message.fact:
            case ProjectChanged():
                learned = project_changed(message.fact, book, context)
            case PaymentProfileChanged():
                learned = payment_profile_changed(message.fact, book, context, policy)
            case _:
                raise NotImplementedError(type(message.fact).__name__)
    except Unanswerable as refusal:
        organization = message.fact.organization
        _dead(Dead(message.record, refusal.reason, refusal.detail, False, organization), now, folded)
        return
    if learned is None:
        folded.stale_facts += 1
        return
    book.apply(learned.changes)
    folded.outgoing.extend(learned.events)


def _dead(dead: Dead, now: datetime, folded: Folded) -> None:
    folded.dead.append(dead)
    folded.unclaimed.append(dead.record)
    folded.outgoing.append(dead_letter(dead, now))
