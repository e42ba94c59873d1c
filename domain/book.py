"""Everything that a batch knows, and what it changed: each decision sees what the one before it did."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar, assert_never

from domain.state import (
    Account,
    AccountContact,
    Binding,
    Change,
    Done,
    FanOut,
    Kept,
    Key,
    Organization,
    PaymentProfile,
    PendingBinding,
    PhaseEntered,
    Project,
    RetiredUid,
)
from schemas.contact import Contact

K = TypeVar("K", bound=str | tuple[str, ...])
V = TypeVar("V")


class NotLoaded(LookupError):
    """A decision asked for something that was never looked up: whether it exists is not known."""

    def __init__(self, kind: str, key: str | tuple[str, ...]) -> None:
        name = key if isinstance(key, str) else "/".join(key)
        super().__init__(f"{kind} {name} was asked for and not loaded")


@dataclass(slots=True)
class BoundProjects:
    """The projects that an account pays for: how many, and the first of them by name, as many as were loaded.

    `last_ended_at` is the end of the latest binding of the account that ended.
    """

    count: int = 0
    first: list[str] = field(default_factory=list)
    last_ended_at: datetime | None = None

    def begin(self, project: str) -> None:
        """Count one more; it stands among the first if its name does."""
        # An account that was not looked up is counted from zero, maybe below; nobody may ask for it.
        is_complete = len(self.first) >= self.count
        self.count += 1
        if is_complete or (self.first and project < self.first[-1]):
            insort(self.first, project)

    def end(self, project: str, instant: datetime) -> None:
        """Count one less, whose binding ended at an instant."""
        self.count -= 1
        self.last_ended_at = instant
        place = bisect_left(self.first, project)
        if place < len(self.first) and self.first[place] == project:
            del self.first[place]

    def lowest(self, most: int) -> list[str]:
        """Return the first projects by name, at most `most`.

        Raises LookupError when too few are loaded, because earlier messages of the batch took others away: a message on
        its own always has enough.
        """
        wanted = min(most, self.count)
        if len(self.first) < wanted:
            raise LookupError(f"{wanted} bound projects are needed and {len(self.first)} are loaded")
        return self.first[:wanted]


@dataclass(slots=True)
class Changed:
    """What a batch changed, by key and in its last state; and what is over.

    `former_payers` are accounts of which bindings ended, and when the last of these did.
    """

    organizations: dict[str, Organization] = field(default_factory=dict)
    accounts: dict[Key, Account] = field(default_factory=dict)
    contacts: dict[Key, AccountContact] = field(default_factory=dict)
    phases: list[PhaseEntered] = field(default_factory=list)
    projects: dict[Key, Project] = field(default_factory=dict)
    retired_uids: list[RetiredUid] = field(default_factory=list)
    payment_profiles: dict[Key, PaymentProfile] = field(default_factory=dict)
    bindings: list[Binding] = field(default_factory=list)
    former_payers: dict[Key, datetime] = field(default_factory=dict)
    pending: dict[tuple[str, str, int], PendingBinding | None] = field(default_factory=dict)
    fan_outs: dict[tuple[str, str, int], FanOut | None] = field(default_factory=dict)


class Book:
    """What is known. `look_up` and `load…` fill it with what the database holds, `apply` changes it, the rest reads it.

    What was looked up and not loaded is absent; asking for anything else raises NotLoaded. `changed` is what is to be
    written after the batch; `known_projects` are the projects as they were before it. `told_at_once` counts the
    notices that were given in the transactions of their causes.
    """

    def __init__(self) -> None:
        self.changed = Changed()
        self.known_projects: dict[Key, Project] = {}
        self.told_at_once = 0
        self._organizations: dict[str, Organization | None] = {}
        self._accounts: dict[Key, Account | None] = {}
        self._contacts: dict[Key, Contact | None] = {}
        self._projects: dict[Key, Project | None] = {}
        self._retired: dict[tuple[str, str, str], bool] = {}
        self._profiles: dict[Key, PaymentProfile | None] = {}
        self._reported: set[Key] = set()
        self._attached: defaultdict[Key, set[str]] = defaultdict(set)
        self._turning: set[Key] = set()
        self._emptied: set[Key] = set()
        self._bound: defaultdict[Key, BoundProjects] = defaultdict(BoundProjects)
        self._pending: defaultdict[Key, dict[int, PendingBinding]] = defaultdict(dict)
        self._waiting_for: defaultdict[Key, set[tuple[str, str, int]]] = defaultdict(set)
        self._fan_outs: defaultdict[Key, dict[int, FanOut]] = defaultdict(dict)
        self._pages: dict[tuple[str, str, int], tuple[list[str], bool]] = {}

    def look_up(
        self,
        *,
        organizations: AbstractSet[str] = frozenset(),
        accounts: AbstractSet[Key] = frozenset(),
        contacts: AbstractSet[Key] = frozenset(),
        turning: AbstractSet[Key] = frozenset(),
        emptied: AbstractSet[Key] = frozenset(),
        projects: AbstractSet[Key] = frozenset(),
        uids: AbstractSet[tuple[str, str, str]] = frozenset(),
        payment_profiles: AbstractSet[Key] = frozenset(),
        reported_profiles: AbstractSet[Key] = frozenset(),
    ) -> None:
        """Note which keys are looked up (as in Needs), whether or not anything is found under them.

        With an organization its fan-outs, with a project its pending bindings, with a `turning` account the
        projects that it pays for and those that wait for it, with an `emptied` one the former alone, and with a
        `reported_profiles` one the accounts that it is attached to.
        """
        _look_up(self._organizations, organizations, None)
        _look_up(self._accounts, accounts, None)
        _look_up(self._contacts, contacts, None)
        _look_up(self._projects, projects, None)
        _look_up(self._retired, uids, False)
        _look_up(self._profiles, payment_profiles, None)
        self._turning |= turning
        self._emptied |= emptied
        self._reported |= reported_profiles

    def load(self, records: Iterable[Kept]) -> None:
        """Add what the database holds."""
        for record in records:
            if isinstance(record, Project):
                self.known_projects[record.key] = self._projects[record.key] = record
            else:
                self._put(record)

    def load_bound(self, account: Key, bound: BoundProjects) -> None:
        """Add the projects that an account pays for."""
        self._bound[account] = bound

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply what was decided."""
        for change in changes:
            self._note(change)
            self._put(change)

    def default_account(self, organization: str) -> str | None:
        """Return the account that pays for projects which become Active without a payer."""
        chosen = _found(self._organizations, organization, "organization")
        return None if chosen is None else chosen.default_account

    def account(self, organization: str, account: str) -> Account | None:
        """Return an account of an organization, if it exists there."""
        return _found(self._accounts, (organization, account), "account")

    def contact(self, account: Account) -> Contact | None:
        """Return an account's contact."""
        return _found(self._contacts, account.key, "contact of account")

    def project(self, organization: str, project: str) -> Project | None:
        """Return a project as last reported, also a deleted one."""
        return _found(self._projects, (organization, project), "project")

    def payment_profile(self, organization: str, payment_profile: str | None) -> PaymentProfile | None:
        """Return a payment profile as last reported."""
        if payment_profile is None:
            return None
        return _found(self._profiles, (organization, payment_profile), "payment profile")

    def bound_projects(self, account: Account) -> BoundProjects:
        """Return the projects that an account pays for now."""
        if account.key not in self._turning and account.key not in self._emptied:
            raise NotLoaded("projects of account", account.key)
        return self._bound.get(account.key, BoundProjects())

    def accounts_attached_to(self, profile: PaymentProfile) -> list[Account]:
        """Return the accounts that a payment profile is attached to, by name."""
        if profile.key not in self._reported:
            raise NotLoaded("accounts of payment profile", profile.key)
        found = (self._accounts[profile.organization, name] for name in sorted(self._attached.get(profile.key, ())))
        return [account for account in found if account is not None]

    def is_retired(self, organization: str, project: str, uid: str) -> bool:
        """Return whether a `uid` has given its project's name to another."""
        return _found(self._retired, (organization, project, uid), "uid")

    def scheduled(self, project: Key) -> PendingBinding | None:
        """Return the binding that a project is scheduled for."""
        pending = self._pending_of(project)
        return next((one for one in pending.values() if one.kind == "Scheduled"), None)

    def queue(self, project: Key) -> list[PendingBinding]:
        """Return the bindings that wait for a project, the first to be served first."""
        pending = self._pending_of(project)
        return [pending[number] for number in sorted(pending) if pending[number].kind == "Waiting"]

    def next_pending_number(self, project: Key) -> int:
        """Return the number of the next pending binding of a project."""
        return max(self._pending_of(project), default=0) + 1

    def waited_for(self, account: Key) -> list[Key]:
        """Return the projects whose first waiting binding is to an account, by name."""
        if account not in self._turning:
            raise NotLoaded("bindings that wait for account", account)
        return [
            (organization, project)
            for organization, project, number in sorted(self._waiting_for.get(account, ()))
            if self.queue((organization, project))[0].number == number
        ]

    def overdue(self, now: datetime) -> list[PendingBinding]:
        """Return the bindings whose instant, or the end of whose wait, has come: the longest due first."""
        heads = (one for project in self._pending for one in (self.scheduled(project), *self.queue(project)[:1]))
        return sorted((one for one in heads if one and one.due_at <= now), key=lambda one: (one.due_at, one.key))

    def load_page(self, fan_out: FanOut, page: list[str], *, is_last: bool) -> None:
        """Add the next projects that a fan-out tells, and whether they are the last."""
        self._pages[fan_out.key] = (page, is_last)

    def page(self, fan_out: FanOut) -> tuple[list[str], bool]:
        """Return the next projects that a fan-out tells, and whether they are the last."""
        if fan_out.key not in self._pages:
            raise NotLoaded("page of account", fan_out.key[:2])
        return self._pages[fan_out.key]

    def fan_outs(self, account: Key) -> list[FanOut]:
        """Return the fan-outs of an account that are not done, in order."""
        if account[0] not in self._organizations:
            raise NotLoaded("fan-outs of account", account)
        pending = self._fan_outs.get(account, {})
        return [pending[number] for number in sorted(pending)]

    def about_project(self, project: Key) -> tuple[Kept, ...]:
        """Return all records of a project: itself and its pending bindings."""
        known = self._projects.get(project)
        pending = self._pending.get(project, {}).values()
        return (*pending,) if known is None else (known, *pending)

    def about_account(self, account: Key) -> tuple[Kept, ...]:
        """Return an account's record, if it exists."""
        known = self._accounts.get(account)
        return () if known is None else (known,)

    def about_payment_profile(self, payment_profile: Key) -> tuple[Kept, ...]:
        """Return a payment profile's record, if it exists."""
        known = self._profiles.get(payment_profile)
        return () if known is None else (known,)

    def about_organization(self, organization: str) -> tuple[Kept, ...]:
        """Return what concerns an organization as a whole: its choices and its fan-outs."""
        chosen = self._organizations.get(organization)
        fan_outs = [one for key, of in self._fan_outs.items() if key[0] == organization for one in of.values()]
        return (*fan_outs,) if chosen is None else (chosen, *fan_outs)

    def _pending_of(self, project: Key) -> dict[int, PendingBinding]:
        if project not in self._projects:
            raise NotLoaded("pending bindings of project", project)
        return self._pending.get(project, {})

    def _note(self, change: Change) -> None:
        """Remember that a change is to be written."""
        changed = self.changed
        match change:
            # The most frequent first.
            case Project():
                changed.projects[change.key] = change
            case Binding():
                changed.bindings.append(change)
            case Organization():
                changed.organizations[change.organization] = change
            case Account():
                changed.accounts[change.key] = change
            case AccountContact():
                changed.contacts[change.key] = change
            case PhaseEntered():
                changed.phases.append(change)
            case RetiredUid():
                changed.retired_uids.append(change)
            case PaymentProfile():
                changed.payment_profiles[change.key] = change
            case PendingBinding():
                changed.pending[change.key] = change
            case FanOut():
                changed.fan_outs[change.key] = change
            case Done(record=PendingBinding() as over):
                changed.pending[over.key] = None
            case Done(record=FanOut() as over):
                changed.fan_outs[over.key] = None
            case Done():
                raise TypeError(type(change.record))
            case _:
                assert_never(change)

    def _put(self, record: Change) -> None:
        match record:
            case Organization():
                self._organizations[record.organization] = record
            case Account():
                self._put_account(record)
            case AccountContact():
                self._contacts[record.key] = record.contact
            case Binding() | PhaseEntered():
                pass
            case Project():
                self._put_project(record)
            case RetiredUid():
                self._retired[record.organization, record.project, record.uid] = True
            case PaymentProfile():
                self._profiles[record.key] = record
            case PendingBinding():
                self._put_pending(record)
            case FanOut():
                self._fan_outs[record.organization, record.account][record.number] = record
            case Done(record=PendingBinding() as over):
                del self._pending[over.organization, over.project][over.number]
                self._waiting_for[over.organization, over.command.account].discard(over.key)
            case Done(record=FanOut() as over):
                del self._fan_outs[over.organization, over.account][over.number]
            case Done():
                raise TypeError(type(record.record))
            case _:
                assert_never(record)

    def _put_account(self, account: Account) -> None:
        before = self._accounts.get(account.key)
        if before is not None and before.payment_profile is not None:
            self._attached[before.organization, before.payment_profile].discard(before.account)
        if account.payment_profile is not None:
            self._attached[account.organization, account.payment_profile].add(account.account)
        self._accounts[account.key] = account

    def _put_pending(self, pending: PendingBinding) -> None:
        self._pending[pending.organization, pending.project][pending.number] = pending
        waiting = self._waiting_for[pending.organization, pending.command.account]
        if pending.kind == "Waiting":
            waiting.add(pending.key)
        else:
            waiting.discard(pending.key)

    def _put_project(self, project: Project) -> None:
        before = self._projects.get(project.key)
        self._projects[project.key] = project
        if project.payer_since is None or (before is not None and before.number == project.number):
            return
        if before is not None and before.account is not None:
            payer = (project.organization, before.account)
            self._bound[payer].end(project.project, project.payer_since)
            self.changed.former_payers[payer] = project.payer_since
        if project.account is not None:
            self._bound[project.organization, project.account].begin(project.project)


def _look_up(known: dict[K, V], keys: AbstractSet[K], absent: V) -> None:
    known.update(dict.fromkeys(keys - known.keys(), absent))


def _found(known: Mapping[K, V], key: K, kind: str) -> V:
    try:
        return known[key]
    except KeyError:
        raise NotLoaded(kind, key) from None
