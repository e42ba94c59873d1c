"""What a database would keep between batches, and hand to the next one: only what its messages name."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from domain import bindings, notices
from domain.book import Book
from domain.bound_projects import BoundProjects
from domain.decision import Clock
from domain.fold import fold
from domain.gathering import needs_of
from domain.messages import Answered, Due, DueKind, Folded, Message
from domain.needs import Needs
from domain.state import (
    Account,
    AccountContact,
    Binding,
    FanOut,
    Key,
    Organization,
    PaymentProfile,
    PendingBinding,
    PhaseEntered,
    Project,
    RetiredUid,
)
from schemas.contact import Contact
from schemas.outgoing import Outgoing, render
from schemas.parsing import Identity
from schemas.policy import OperatorPolicy
from schemas.records import Record
from schemas.results import read_result

PAGE = 1
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)

Numbered = tuple[str, str, int]
K = TypeVar("K")
V = TypeVar("V")


@dataclass
class Kept:
    """Tables by their keys, and the log. A key that is written twice where a table would refuse it fails the test."""

    organizations: dict[str, Organization] = field(default_factory=dict)
    accounts: dict[Key, Account] = field(default_factory=dict)
    contacts: dict[Key, Contact] = field(default_factory=dict)
    projects: dict[Key, Project] = field(default_factory=dict)
    profiles: dict[Key, PaymentProfile] = field(default_factory=dict)
    bindings: dict[Numbered, Binding] = field(default_factory=dict)
    pending: dict[Numbered, PendingBinding] = field(default_factory=dict)
    fan_outs: dict[Numbered, FanOut] = field(default_factory=dict)
    retired: set[RetiredUid] = field(default_factory=set)
    former_payers: dict[Key, datetime] = field(default_factory=dict)
    history: dict[Numbered, PhaseEntered] = field(default_factory=dict)
    inbox: dict[Identity, tuple[bytes, bytes]] = field(default_factory=dict)
    handled: list[Record] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    last: datetime = BEGINNING

    def batch(self, messages: list[Message], now: datetime, policy: OperatorPolicy) -> list[Outgoing]:
        """Load what the messages need, fold them, keep what changed; give what went out.

        All batches of one `now` are decided as if the clock had been read once: what differs is the batching alone.
        """
        needs = needs_of(messages)
        book = self._book(needs)
        answered = Answered(
            {identity: self.inbox[identity][0] for identity in needs.identities & self.inbox.keys()},
            {identity: read_result(self.inbox[identity][1]) for identity in needs.asked_again & self.inbox.keys()},
        )
        clock = Clock(now)
        clock.last = max(clock.last, self.last)
        folded = fold(messages, book, answered, policy, clock)
        self.last = clock.last
        self._keep(book)
        self._keep_answers(folded)
        return folded.outgoing

    @property
    def after_last(self) -> datetime:
        """The first instant that a shard could still give."""
        return self.last + timedelta(microseconds=1)

    def intervals(self) -> list[tuple[Binding, datetime | None]]:
        """Return all bindings by which an account pays, each with its end."""
        found: list[tuple[Binding, datetime | None]] = []
        for (organization, project, number), binding in self.bindings.items():
            after = self.bindings.get((organization, project, number + 1))
            found.append((binding, None if after is None else after.from_instant))
        return [(binding, end) for binding, end in found if binding.account is not None]

    def due(self, now: datetime) -> list[Due]:
        """Return what is due, as the timers find it: the longest due first, and of a queue only the first."""
        waiting = [one for one in self.pending.values() if one.kind == "Waiting"]
        heads = {(one.organization, one.project): one.number for one in sorted(waiting, key=lambda one: -one.number)}
        pending = [
            (one.due_at, Due(DueKind(f"{one.kind}Binding"), one.organization, one.project))
            for one in self.pending.values()
            if one.kind == "Scheduled" or heads[one.organization, one.project] == one.number
        ]
        profiles = [
            (one.due_at, Due(DueKind.PAYMENT_PROFILE, one.organization, one.payment_profile))
            for one in self.profiles.values()
            if one.due_at is not None
        ]
        fan_outs = {
            (one.organization, one.account): (one.instant, Due(DueKind.FAN_OUT, one.organization, one.account))
            for one in sorted(self.fan_outs.values(), key=lambda one: -one.number)
        }
        found = [*pending, *profiles]
        timed = sorted((at, due.kind, due.organization, due.name, due) for at, due in found if at <= now)
        return [due for *_, due in timed] + [due for _, due in sorted(fan_outs.values(), key=lambda one: one[0])]

    def _book(self, needs: Needs) -> Book:
        book = Book()
        attached = {
            key
            for key, account in self.accounts.items()
            if (account.organization, account.payment_profile) in needs.reported_profiles
        }
        choices = [self.organizations[name] for name in needs.organizations & self.organizations.keys()]
        book.look_up(
            organizations=needs.organizations | needs.boundaries,
            contacts=needs.contacts,
            turning=needs.turning | attached,
            emptied=needs.emptied,
            uids=needs.uids,
            reported_profiles=needs.reported_profiles,
        )
        book.load(choices)
        moving = self._load_bound(book, needs.emptied, bindings.MOST_PROJECTS + len(needs.projects))
        defaults = {(one.organization, one.default_account) for one in choices if one.default_account}
        named = needs.accounts | attached | defaults
        pending = self._pending(named, needs.projects | moving)
        projects = needs.projects | moving | {(one.organization, one.project) for one in pending}
        named |= {(one.organization, one.command.account) for one in pending}
        book.look_up(accounts=named, projects=projects)
        book.load(pending)
        accounts = [self.accounts[key] for key in named & self.accounts.keys()]
        book.load(accounts)
        profiles = needs.payment_profiles | {(one.organization, one.payment_profile or "") for one in accounts}
        book.look_up(payment_profiles=profiles)
        book.load(self.profiles[key] for key in profiles & self.profiles.keys())
        book.load(self.projects[key] for key in projects & self.projects.keys())
        book.load(one for one in self.retired if (one.organization, one.project, one.uid) in needs.uids)
        self._load_bound(book, (needs.turning | attached) - needs.emptied, notices.AT_ONCE + len(projects))
        book.load(one for one in self.fan_outs.values() if one.organization in needs.boundaries)
        for account in needs.fan_outs:
            self._load_page(book, account)
        for key in needs.contacts:
            contact = self.contacts.get(key)
            book.load([AccountContact(organization=key[0], account=key[1], contact=contact)])
        return book

    def _pending(self, accounts: set[Key], projects: set[Key]) -> list[PendingBinding]:
        to_them = {
            (one.organization, one.project)
            for one in self.pending.values()
            if (one.organization, one.command.account) in accounts
        }
        return [one for one in self.pending.values() if (one.organization, one.project) in projects | to_them]

    def _load_bound(self, book: Book, accounts: Iterable[Key], limit: int) -> set[Key]:
        named = set()
        for organization, account in accounts:
            payer = (organization, account)
            bound = sorted(one.project for one in self.projects.values() if (one.organization, one.account) == payer)
            book.load_bound(payer, BoundProjects(len(bound), bound[:limit], self.former_payers.get(payer)))
            named |= {(organization, project) for project in bound[:limit]}
        return named

    def _load_page(self, book: Book, account: Key) -> None:
        for fan_out in book.fan_outs(account)[:1]:
            bound = sorted(
                one.project
                for one in self.projects.values()
                if (one.organization, one.account) == account
                and one.project > fan_out.told
                and one.payer_since is not None
                and one.payer_since <= fan_out.instant
            )
            book.load_page(fan_out, bound[:PAGE], is_last=len(bound) <= PAGE)

    def _keep(self, book: Book) -> None:
        changed = book.changed
        self.organizations |= changed.organizations
        self.accounts |= changed.accounts
        self.projects |= changed.projects
        self.profiles |= changed.payment_profiles
        for key, contact in changed.contacts.items():
            _replace(self.contacts, key, contact.contact)
        for binding in changed.bindings:
            self._append(binding)
        for project in changed.projects.values():
            last = self.bindings.get((*project.key, project.number))
            assert (last is None) == (project.number == 0)
            assert last is None or project == project.after(last), "a project's head is its last binding"
        self.former_payers |= changed.former_payers
        ends: dict[Key, datetime] = {}
        for binding, end in self.intervals():
            if binding.account is not None and end is not None:
                payer = (binding.organization, binding.account)
                ends[payer] = max(end, ends.get(payer, end))
        assert self.former_payers == ends
        for number, pending in changed.pending.items():
            _replace(self.pending, number, pending)
        scheduled = [(one.organization, one.project) for one in self.pending.values() if one.kind == "Scheduled"]
        assert len(scheduled) == len(set(scheduled)), "a project has one scheduled binding at most"
        for number, fan_out in changed.fan_outs.items():
            _replace(self.fan_outs, number, fan_out)
        for retired in changed.retired_uids:
            assert retired not in self.retired
            self.retired.add(retired)
        for entered in changed.phases:
            line = (entered.organization, entered.account, entered.number)
            assert line not in self.history
            self.history[line] = entered

    def _append(self, binding: Binding) -> None:
        """Refuse what the database's trigger refuses."""
        key = (binding.organization, binding.project)
        assert (*key, binding.number) not in self.bindings
        before = self.bindings.get((*key, binding.number - 1))
        assert (before is None) == (binding.number == 1), "numbers follow"
        assert before is None or before.from_instant < binding.from_instant, "instants are later"
        assert (before and before.account) != binding.account, "the payer changes"
        self.bindings[*key, binding.number] = binding

    def _keep_answers(self, folded: Folded) -> None:
        rendered = [render(outgoing, "0-0", "/whopays/tests") for outgoing in folded.outgoing]
        self.log += rendered
        for identity, claim in folded.claims.items():
            assert identity == (claim.organization, claim.source, claim.command_id)
            assert claim.is_new is (identity not in self.inbox), "an id is claimed once"
            meaning = claim.fingerprint if claim.is_new else self.inbox[identity][0]
            self.inbox[identity] = (meaning, rendered[claim.result_index])
        assert not {record.place for record in folded.unclaimed} & {record.place for record in self.handled}
        self.handled += folded.unclaimed
        counted = {"stale": folded.stale_facts, "repeated": folded.repeated_commands, "dead": len(folded.dead)}
        for name, count in [*counted.items(), *((outcome, count) for (_, outcome), count in folded.outcomes.items())]:
            self.counts[str(name)] = self.counts.get(str(name), 0) + count


def _replace(table: dict[K, V], key: K, value: V | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
