"""Decides a batch message by message, in order: commands, facts, due work and dead letters."""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from domain.bindings import bind, bind_project
from domain.book import Book
from domain.commands import RULES
from domain.dead_letters import Dead, dead_letter_of
from domain.decision import Clock, Context, Decision, rejected
from domain.facts import Learned, is_known_by_place, payment_profile_changed, payment_profile_expired, project_changed
from domain.identity import admission, asked_by, identity_rules, result_not_kept
from domain.messages import Answered, Claim, Due, DueKind, Folded, Message
from domain.notices import payer_missing, tell_before_leaving, tell_page
from domain.pending import is_worth_waiting, superseded
from domain.results import Answering, outgoing_result, result_of
from domain.state import Account, Binding, Change, Done, Key, Origin, PendingBinding, Project
from schemas.asking import Asked
from schemas.commands import told
from schemas.events import Phase, ProjectBillingNotice
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.outgoing import Outgoing
from schemas.parsing import CommandMessage, FactMessage, Identity
from schemas.policy import OperatorPolicy
from schemas.records import Unanswerable
from schemas.results import CommandCompleted, Outcome, Violation

DEFAULT_ACCOUNT_SENDER = "system:default-account"


def fold(messages: Iterable[Message], book: Book, answered: Answered, policy: OperatorPolicy, clock: Clock) -> Folded:
    """Decide all messages in order, leaving `book` in the resulting state."""
    batch = _Batch(book, answered, policy, clock)
    listed = list(messages)
    # The timers pass what is due in due order. Other messages must not overtake due work, however late the timers are.
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
    """The state of a fold: what is known, and the results so far."""

    def __init__(self, book: Book, answered: Answered, policy: OperatorPolicy, clock: Clock) -> None:
        self._book = book
        self._answered = answered
        self._policy = policy
        self._clock = clock
        self.folded = Folded()

    def catch_up(self) -> None:
        """Do what fell due before the batch was read."""
        for due in self._book.overdue(self._clock.now):
            self.do_due(due)

    def answer(self, message: CommandMessage) -> None:
        """Answer a command: judge it in stages and, unless it is a dry run, carry out the decision."""
        identity = message.identity
        admitted = admission(message)
        broken = admitted.missing
        origin = _origin_of(message, message.sender, asked_by(message, admitted))
        if broken:
            self.folded.refused[broken[0].reason] += 1
        is_looked_up = not broken and not message.dry_run
        claimed = self._answered.fingerprints.get(identity) if is_looked_up else None
        # Only the first bytes of the fingerprint are kept once a command is forgotten.
        is_repeated = claimed is not None and message.fingerprint.startswith(claimed)
        claims = is_looked_up and claimed is None
        # A command that asks for its answer again claims its id like any other, but would ask again if redelivered.
        if message.asks_again or not (claims or is_repeated):
            self.folded.unclaimed.append(message.record)
        if is_repeated:
            self.folded.repeated_commands += 1
            if message.asks_again:
                self._answer_again(message, identity, origin)
            return
        decision = self._judge(message, broken or identity_rules(message, claimed, self._clock), origin)
        ended = [] if message.dry_run else self._carry_out(decision)
        completed = result_of(_answering(message, identity, origin), decision)
        index = self._publish_result(completed, origin)
        if claims:
            self._claim(Claim(*identity, message.fingerprint, index, is_new=True), completed)
        if not message.dry_run:
            self._tell_superseded(ended)
            self._serve_affected(decision.changes)

    def take_in_fact(self, message: FactMessage) -> None:
        """Apply a fact and its consequences."""
        context = Context(self._clock, self._policy, _origin_of(message, message.sender), is_command=False)
        try:
            learned = self._learned(message, context)
        except Unanswerable as refusal:
            name = message.fact.organization
            dead = Dead(message.record, refusal.reason, refusal.detail, False, name, message.event.trail, name)
            self.dead_letter(dead)
            return
        fact = message.fact
        if isinstance(fact, ProjectChanged) and is_known_by_place(fact, self._book, is_stale=learned is None):
            self.folded.unclaimed.append(message.record)
        if learned is None:
            self.folded.stale_facts += 1
            return
        self._take_in(learned, context)

    def dead_letter(self, dead: Dead) -> None:
        """Publish a dead letter for a record."""
        self.folded.dead[len(self.folded.outgoing)] = dead
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
                    notices = tell_page(fan_out, page, self._clock.next(), is_last=is_last)
                    book.apply(notices.changes)
                    self.folded.outgoing.extend(notices.events)
            case _:
                assert_never(due.kind)

    def _answer_again(self, message: CommandMessage, identity: Identity, origin: Origin) -> None:
        """Republish the latest result of a command that was answered before."""
        latest = self._answered.results.get(identity)
        if latest is None:
            decision = rejected([result_not_kept()])
            self._publish_result(result_of(_answering(message, identity, origin), decision), origin)
        else:
            self._publish_result(replace(latest, repeated=True), origin)

    def _judge(self, message: CommandMessage, broken: list[Violation], origin: Origin) -> Decision:
        command = message.command
        if broken or command is None:
            return rejected(broken or message.violations)
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
        # Bindings that wait for the project come first, then the default account.
        self._serve_affected(learned.changes)
        newly_active = learned.newly_active
        if newly_active is not None:
            self._find_payer(newly_active.key, context)

    def _find_payer(self, key: Key, context: Context) -> None:
        """Bind a project without a payer to the default account, or publish the notice that nobody pays."""
        book = self._book
        project = book.project(*key)
        name = book.default_account(key[0])
        account = None if name is None else book.account(key[0], name)
        if project is None or project.account is not None:
            return
        if account is None or account.phase is not Phase.READY or account.closure is not None:
            self.folded.outgoing.append(payer_missing(project, self._clock.next(), context))
            return
        by_default = replace(context, origin=replace(context.origin, sender=DEFAULT_ACCOUNT_SENDER))
        rebinding = bind(project, account, by_default, self._clock.next())
        self._apply(rebinding.changes, (rebinding.event,))
        self._serve_affected(rebinding.changes)

    def _carry_out(self, decision: Decision) -> list[PendingBinding]:
        """Apply a decision, and return the scheduled bindings that it ends."""
        projects: list[Key] = []
        cancelled: list[PendingBinding] = []
        for change in decision.changes:
            match change:
                case Binding() | PendingBinding(kind="Scheduled"):
                    projects.append((change.organization, change.project))
                case Done(record=PendingBinding() as pending):
                    cancelled.append(pending)
                case _:
                    pass
        over = [pending for pending in map(self._book.scheduled, dict.fromkeys(projects)) if pending is not None]
        self._book.apply(map(Done, over))
        self._apply(decision.changes, decision.events)
        return [*over, *cancelled]

    def _tell_superseded(self, ended: Iterable[PendingBinding]) -> None:
        for pending in ended:
            self._publish_final(pending, superseded())

    def _apply(self, changes: Iterable[Change], events: Iterable[Outgoing]) -> None:
        listed, published = tuple(changes), tuple(events)
        for change in listed:
            if isinstance(change, Binding):
                project = self._book.project(change.organization, change.project)
                self.folded.outgoing.extend(tell_before_leaving(project, self._book, change.from_instant))
        self._book.apply(listed)
        self._book.told_at_once += sum(isinstance(one.event, ProjectBillingNotice) for one in published)
        self.folded.outgoing.extend(published)

    def _end_schedule(self, key: Key) -> None:
        scheduled = self._book.scheduled(key)
        if scheduled is not None:
            self._book.apply([Done(scheduled)])
            self._publish_final(scheduled, superseded())

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
        """Judge the waiting bindings of a project in order, until one has to keep waiting."""
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
        """Carry out the decision on a pending binding, and publish its final result."""
        self._book.apply([Done(pending)])
        ended = self._carry_out(decision)
        self._publish_final(pending, decision)
        self._tell_superseded(ended)

    def _publish_final(self, pending: PendingBinding, decision: Decision) -> None:
        identity = (pending.organization, pending.source, pending.origin.caused_by)
        command, fingerprint = pending.command, pending.command.fingerprint()
        of = Answering(identity, pending.type, pending.origin, told(fingerprint), command.account, command.project)
        completed = result_of(of, decision)
        index = self._publish_result(completed, pending.origin)
        is_new = identity in self.folded.claims and self.folded.claims[identity].is_new
        self._claim(Claim(*identity, fingerprint, index, is_new=is_new), completed)

    def _publish_result(self, completed: CommandCompleted, origin: Origin) -> int:
        """Publish a result, and return its index among the outgoing events."""
        folded = self.folded
        folded.outgoing.append(outgoing_result(completed, origin, self._clock.next()))
        if not completed.repeated:
            folded.outcomes[completed.command_type, completed.outcome] += 1
            if completed.outcome is Outcome.REJECTED:
                folded.rejected[completed.command_type, completed.violations[0].reason] += 1
        return len(folded.outgoing) - 1

    def _claim(self, claim: Claim, latest: CommandCompleted) -> None:
        """Record that an id is claimed, or that it has a newer result."""
        identity = (claim.organization, claim.source, claim.command_id)
        self.folded.claims[identity] = claim
        self._answered.fingerprints[identity] = claim.fingerprint
        self._answered.results[identity] = latest


def _answering(message: CommandMessage, identity: Identity, origin: Origin) -> Answering:
    fingerprint, is_dry_run = message.told_fingerprint, message.dry_run
    return Answering(identity, message.event.type, origin, fingerprint, message.account, message.project, is_dry_run)


def _origin_of(message: CommandMessage | FactMessage, sender: str | None, asked: Asked | None = None) -> Origin:
    event = message.event
    return Origin(caused_by=event.id, sender=sender or "", passed_on=event.passed_on, asked=asked)
