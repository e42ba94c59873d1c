"""What a database would keep between batches, and hand to the next one: only what its messages name."""

from dataclasses import dataclass, field
from datetime import datetime

from domain.book import Book
from domain.decision import Policy
from domain.fold import Folded, Identity, Message, fold
from domain.needs import Needs, needs_of
from domain.state import Account, Binding, Key, PaymentProfile, PhaseEntered, Project, RetiredUid
from schemas.outgoing import Outgoing, render
from schemas.records import Record


@dataclass
class Kept:
    """Tables by their keys, and the log. A key that is written twice where a table would refuse it fails the test."""

    accounts: dict[Key, Account] = field(default_factory=dict)
    projects: dict[Key, Project] = field(default_factory=dict)
    profiles: dict[Key, PaymentProfile] = field(default_factory=dict)
    bindings: dict[tuple[str, str, int], Binding] = field(default_factory=dict)
    retired: set[RetiredUid] = field(default_factory=set)
    history: dict[tuple[str, str, int], PhaseEntered] = field(default_factory=dict)
    inbox: dict[Identity, tuple[bytes, bytes]] = field(default_factory=dict)
    handled: list[Record] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def batch(self, messages: list[Message], now: datetime, policy: Policy) -> list[Outgoing]:
        """Load what the messages need, fold them, keep what changed; give what went out."""
        needs = needs_of(messages)
        book = self._book(needs)
        fingerprints = {identity: self.inbox[identity][0] for identity in needs.identities & self.inbox.keys()}
        folded = fold(messages, book, fingerprints, policy, now)
        self._keep(book)
        self._keep_answers(folded)
        return folded.outgoing

    def active(self) -> list[Binding]:
        """The bindings that pay now."""
        return [binding for binding in self.bindings.values() if binding.ended_at is None]

    def _book(self, needs: Needs) -> Book:
        accounts = {key: self.accounts[key] for key in needs.accounts & self.accounts.keys()}
        reported = {
            key: account
            for key, account in self.accounts.items()
            if (account.organization, account.payment_profile) in needs.reported_profiles
        }
        loaded = accounts | reported
        attached = {(account.organization, account.payment_profile or "") for account in loaded.values()}
        book = Book()
        book.load(loaded.values())
        book.load(self.profiles[key] for key in (needs.payment_profiles | attached) & self.profiles.keys())
        book.load(self.projects[key] for key in needs.projects & self.projects.keys())
        book.load(one for one in self.active() if (one.organization, one.project) in needs.projects)
        book.load(one for one in self.retired if (one.organization, one.project, one.uid) in needs.uids)
        for binding in self.active():
            account = (binding.organization, binding.account)
            if account in needs.turning | reported.keys():
                book.load_bound(account, binding.project)
        return book

    def _keep(self, book: Book) -> None:
        self.accounts |= book.accounts_changed
        self.projects |= book.projects_changed
        self.profiles |= book.payment_profiles_changed
        for key, binding in book.bindings_changed.items():
            assert (key in book.bindings_known) == (key in self.bindings), "a binding is ended once, and begun once"
            self.bindings[key] = binding
        payers = [(binding.organization, binding.project) for binding in self.active()]
        assert len(payers) == len(set(payers)), "a project has one payer at most"
        for retired in book.uids_retired:
            assert retired not in self.retired
            self.retired.add(retired)
        for entered in book.phases_entered:
            line = (entered.organization, entered.account, entered.number)
            assert line not in self.history
            self.history[line] = entered

    def _keep_answers(self, folded: Folded) -> None:
        rendered = [render(outgoing, "0-0", "/whopays/tests") for outgoing in folded.outgoing]
        self.log += rendered
        for claim in folded.claims:
            identity = (claim.organization, claim.source, claim.command_id)
            assert identity not in self.inbox, "an id is claimed once"
            self.inbox[identity] = (claim.fingerprint, rendered[claim.result_index])
        self.handled += folded.unclaimed
        counted = {"stale": folded.stale_facts, "repeated": folded.repeated_commands, "dead": len(folded.dead)}
        for name, count in [*counted.items(), *folded.outcomes.items()]:
            self.counts[str(name)] = self.counts.get(str(name), 0) + count
