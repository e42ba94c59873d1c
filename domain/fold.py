"""A batch, decided message by message in order: commands, facts, what is due, and what has no answer."""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from domain.bindings import bind, bind_project
from domain.book import Book
from domain.commands import RULES
from domain.dead_letters import Dead, dead_letter_of
from domain.decision import Clock, Context, Decision, rejected
from domain.facts import Learned, is_known_by_place, payment_profile_changed, payment_profile_expired, project_changed
from domain.messages import Claim, Due, DueKind, Folded, Identity, Message
from domain.notices import payer_missing, tell_before_leaving, tell_page
from domain.pending import is_worth_waiting, superseded
from domain.results import result_of
from domain.state import Account, Binding, Change, Done, Key, Origin, PendingBinding, Project
from schemas.events import Phase, ProjectBillingNotice
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.outgoing import Outgoing
from schemas.parsing import CommandMessage, FactMessage
from schemas.policy import OperatorPolicy
from schemas.records import Unanswerable
from schemas.results import Outcome, Reason, Violation, violation

DEFAULT_ACCOUNT_SENDER = "system:default-account"


def fold(
    messages: Iterable[Message], book: Book, fingerprints: dict[Identity, bytes], policy: OperatorPolicy, clock: Clock
) -> Folded:
    """Decide all messages in order; `book` ends in the state that they lead to.

    `fingerprints` holds the meaning of each command id of the batch that was claimed before; it grows with the batch.
    """
    batch = _Batch(book, fingerprints, policy, clock)
    listed = list(messages)
    # The timers bring what is due in its order; nothing else may overtake it, however late they are.
    if not any(isinstance(message, Due) for message in listed):
        batch.catch_up()
    for message in listed:
        match message:
            case CommandMessage():
                batch.answer(message)
            case FactMessage():
                batch.take_in_fact(message)
            case Dead():
                batch.dead_letter(message)
            case Due():
                batch.do_due(message)
            case _:
                assert_never(message)
    return batch.folded


class _Batch:
    """The state of a fold: what is known, and what has come of it so far."""

    def __init__(self, book: Book, fingerprints: dict[Identity, bytes], policy: OperatorPolicy, clock: Clock) -> None:
        self._book = book
        self._fingerprints = fingerprints
        self._policy = policy
        self._clock = clock
        self.folded = Folded()

    def catch_up(self) -> None:
        """Act on the pending bindings that fell due before the batch was read."""
        for pending in self._book.overdue(self._clock.now):
            kind = DueKind.SCHEDULED_BINDING if pending.kind == "Scheduled" else DueKind.WAITING_BINDING
            self.do_due(Due(kind, pending.organization, pending.project))

    def answer(self, message: CommandMessage) -> None:
        """Answer a command: judge it, and if it is no dry run do what follows."""
        identity = (message.organization, message.event.source, message.event.id)
        claimed = None if message.dry_run else self._fingerprints.get(identity)
        if claimed == message.fingerprint:
            self.folded.repeated_commands += 1
            return
        broken = _identity_rules(message, claimed, self._clock)
        origin = _origin_of(message, message.event.sender)
        decision = self._judge(message, broken, origin)
        ended = [] if message.dry_run else self._carry_out(decision)
        index = self._publish_result(identity, message.event.type, origin, decision, dry_run=message.dry_run)
        is_unknown_sender = any(rule.reason is Reason.UNAUTHENTICATED for rule in broken)
        if message.dry_run or claimed is not None or is_unknown_sender:
            self.folded.unclaimed.append(message.record)
        else:
            self._fingerprints[identity] = message.fingerprint
            self.folded.claims[identity] = Claim(*identity, message.fingerprint, index, is_new=True)
        if not message.dry_run:
            self._tell_superseded(ended)
            self._serve_affected(decision.changes)

    def take_in_fact(self, message: FactMessage) -> None:
        """Take in a fact, and do what follows."""
        context = Context(self._clock, self._policy, _origin_of(message, message.sender), is_command=False)
        try:
            learned = self._learned(message, context)
        except Unanswerable as refusal:
            boundary = message.fact.organization
            self.dead_letter(Dead(message.record, refusal.reason, refusal.detail, is_private=False, boundary=boundary))
            return
        fact = message.fact
        if isinstance(fact, ProjectChanged) and is_known_by_place(fact, self._book, is_stale=learned is None):
            self.folded.unclaimed.append(message.record)
        if learned is None:
            self.folded.stale_facts += 1
            return
        self._take_in(learned, context)

    def dead_letter(self, dead: Dead) -> None:
        """Answer a record with a dead letter."""
        self.folded.dead.append(dead)
        self.folded.unclaimed.append(dead.record)
        self.folded.outgoing.append(dead_letter_of(dead, self._clock.next()))

    def do_due(self, due: Due) -> None:
        """Do what is due, unless another worker already has."""
        book, now = self._book, self._clock.now
        key = (due.organization, due.name)
        match due.kind:
            case DueKind.SCHEDULED_BINDING:
                scheduled = book.scheduled(key)
                if scheduled is not None and scheduled.due_at <= now:
                    decision = self._decide_pending(scheduled)
                    self._finish(scheduled, decision)
                    self._serve_affected(decision.changes)
            case DueKind.WAITING_BINDING:
                self._serve(key)
            case DueKind.PAYMENT_PROFILE:
                profile = book.payment_profile(*key)
                if profile is not None and profile.due_at is not None and profile.due_at <= now:
                    context = Context(self._clock, self._policy, profile.origin, is_command=False)
                    self._take_in(payment_profile_expired(profile, book, context), context)
            case DueKind.FAN_OUT:
                for fan_out in book.fan_outs(key)[:1]:
                    page, is_last = book.page(fan_out)
                    told = tell_page(fan_out, page, is_last=is_last)
                    book.apply(told.changes)
                    self.folded.outgoing.extend(told.events)
            case _:
                assert_never(due.kind)

    def _judge(self, message: CommandMessage, broken: list[Violation], origin: Origin) -> Decision:
        command = message.command
        if broken or command is None:
            account, project = getattr(command, "account", None), getattr(command, "project", None)
            return rejected(broken or message.violations, account=account, project=project)
        context = Context(self._clock, self._policy, origin, is_command=True, source=message.event.source)
        return RULES[type(command)].decide(command, self._book, context)

    def _learned(self, message: FactMessage, context: Context) -> Learned | None:
        match message.fact:
            case ProjectChanged() as fact:
                return project_changed(fact, self._book, context)
            case PaymentProfileChanged() as fact:
                return payment_profile_changed(fact, self._book, context)
            case _:
                assert_never(message.fact)

    def _take_in(self, learned: Learned, context: Context) -> None:
        self._apply(learned.changes, learned.events)
        projects = [change.key for change in learned.changes if isinstance(change, Project)]
        for key in dict.fromkeys(projects) if learned.gone else ():
            self._end_schedule(key)
        # What waits for the project is judged first, then the default account.
        self._serve_affected(learned.changes)
        newly_active = learned.newly_active
        if newly_active is not None and self._book.active_binding(*newly_active.key) is None:
            self._find_payer(newly_active.key, context)

    def _find_payer(self, key: Key, context: Context) -> None:
        """Bind a project without a payer to the default account, or tell it that it has none."""
        book = self._book
        project = book.project(*key)
        name = book.default_account(key[0])
        account = None if name is None else book.account(key[0], name)
        if project is None:
            return
        if account is None or account.phase is not Phase.READY or account.closure is not None:
            self.folded.outgoing.append(payer_missing(project, self._clock.next(), context))
            return
        by_default = replace(context, origin=replace(context.origin, sender=DEFAULT_ACCOUNT_SENDER))
        rebinding = bind(project, account, None, by_default, self._clock.next())
        self._apply(rebinding.changes, (rebinding.event,))
        self._serve_affected(rebinding.changes)

    def _carry_out(self, decision: Decision) -> list[PendingBinding]:
        """Do what was decided; give the scheduled bindings that it ends."""
        projects: list[Key] = []
        called_off: list[PendingBinding] = []
        for change in decision.changes:
            match change:
                case Binding(ended_at=None) | PendingBinding(kind="Scheduled"):
                    projects.append((change.organization, change.project))
                case Done(record=PendingBinding() as pending):
                    called_off.append(pending)
                case _:
                    pass
        over = [pending for pending in map(self._book.scheduled, dict.fromkeys(projects)) if pending is not None]
        self._book.apply(map(Done, over))
        self._apply(decision.changes, decision.events)
        return [*over, *called_off]

    def _tell_superseded(self, ended: Iterable[PendingBinding]) -> None:
        for pending in ended:
            self._publish_final(pending, superseded(pending))

    def _apply(self, changes: Iterable[Change], events: Iterable[Outgoing]) -> None:
        listed, published = tuple(changes), tuple(events)
        for change in listed:
            if isinstance(change, Binding) and change.ended_at is not None:
                self.folded.outgoing.extend(tell_before_leaving(change, self._book))
        self._book.apply(listed)
        self._book.told_at_once += sum(isinstance(one.event, ProjectBillingNotice) for one in published)
        self.folded.outgoing.extend(published)

    def _end_schedule(self, key: Key) -> None:
        scheduled = self._book.scheduled(key)
        if scheduled is not None:
            self._book.apply([Done(scheduled)])
            self._publish_final(scheduled, superseded(scheduled))

    def _serve_affected(self, changes: Iterable[Change]) -> None:
        keys: list[Key] = []
        for change in changes:
            match change:
                case Project():
                    keys.append(change.key)
                case Binding():
                    keys.append((change.organization, change.project))
                case Account():
                    keys += self._book.waited_for(change.key)
                case _:
                    pass
        for key in dict.fromkeys(keys):
            self._serve(key)

    def _serve(self, key: Key) -> None:
        """Judge what waits for a project, in order, until one goes on waiting."""
        while queue := self._book.queue(key):
            head = queue[0]
            decision = self._decide_pending(head)
            if is_worth_waiting(decision) and head.due_at > self._clock.now:
                return
            instant = head.command.effective_at
            if decision.outcome is not Outcome.REJECTED and instant is not None and instant > self._clock.now:
                self._end_schedule(key)
                self._book.apply([replace(head, kind="Scheduled", due_at=instant)])
            else:
                self._finish(head, decision)

    def _decide_pending(self, pending: PendingBinding) -> Decision:
        context = Context(self._clock, self._policy, pending.origin, is_command=True, source=pending.source)
        return bind_project(pending.command, self._book, context)

    def _finish(self, pending: PendingBinding, decision: Decision) -> None:
        """Carry out what was decided on a pending binding, and give its final result."""
        self._book.apply([Done(pending)])
        ended = self._carry_out(decision)
        self._publish_final(pending, decision)
        self._tell_superseded(ended)

    def _publish_final(self, pending: PendingBinding, decision: Decision) -> None:
        identity = (pending.organization, pending.source, pending.origin.caused_by)
        index = self._publish_result(identity, pending.type, pending.origin, decision, dry_run=False)
        claim = self.folded.claims.get(identity) or Claim(*identity, b"", index, is_new=False)
        self.folded.claims[identity] = replace(claim, result_index=index)

    def _publish_result(
        self, identity: Identity, type_: str, origin: Origin, decision: Decision, *, dry_run: bool
    ) -> int:
        """Return where among the outgoing events the result stands."""
        outgoing = self.folded.outgoing
        outgoing.append(result_of(identity, type_, origin, decision, self._clock.next(), dry_run=dry_run))
        self.folded.outcomes[decision.outcome] = self.folded.outcomes.get(decision.outcome, 0) + 1
        return len(outgoing) - 1


def _origin_of(message: CommandMessage | FactMessage, sender: str | None) -> Origin:
    event = message.event
    return Origin(caused_by=event.id, sender=sender or "", passed_on=event.passed_on)


def _identity_rules(message: CommandMessage, claimed: bytes | None, clock: Clock) -> list[Violation]:
    event = message.event
    broken = []
    if event.sender is None or event.sender.startswith("system:"):
        broken.append(violation(Reason.UNAUTHENTICATED, "authid must say who asks, and not begin with system:"))
    if claimed is not None:
        text = "this id was used for a command of another meaning: send it under a new id"
        broken.append(violation(Reason.COMMAND_ID_REUSED, text))
    if event.expires is not None and event.expires < clock.now:
        broken.append(violation(Reason.EXPIRED, "the command was read after its expirytime: send it anew"))
    if not message.known:
        broken.append(violation(Reason.UNKNOWN_COMMAND, "no such command is known in this version"))
    return broken
