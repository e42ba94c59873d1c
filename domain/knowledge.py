"""What a batch knows: loaded from the database, and changed by each decision."""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TypeVar, assert_never

from domain.bound_projects import BoundProjects
from domain.changed import Changed
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


class Knowledge:
    """What a batch knows. `look_up` and `load…` fill it from the database, `apply` changes it.

    `changed` is what is to be written after the batch; `known_projects` are the projects as they were before it.
    `told_at_once` counts the notices sent in the same transaction as their cause.
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
        """Mark keys as looked up (see Needs), whether or not anything is found under them.

        An organization includes its fan-outs; a project its pending bindings; a `turning` account the projects that
        it pays for and those that wait for it; an `emptied` account only the former; and a profile in
        `reported_profiles` the accounts that it is attached to.
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
        """Add records from the database."""
        for record in records:
            if isinstance(record, Project):
                self.known_projects[record.key] = self._projects[record.key] = record
            else:
                self._put(record)

    def load_bound(self, account: Key, bound: BoundProjects) -> None:
        """Add the projects that an account pays for."""
        self._bound[account] = bound

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply the changes of a decision."""
        for change in changes:
            self.changed.note(change)
            self._put(change)

    def load_page(self, fan_out: FanOut, page: list[str], *, is_last: bool) -> None:
        """Add the next projects that a fan-out notifies, and whether they are the last."""
        self._pages[fan_out.key] = (page, is_last)

    def _put(self, record: Change) -> None:
        match record:
            # The most frequent first.
            case Project():
                self._put_project(record)
            case Binding() | PhaseEntered():
                pass
            case Organization():
                self._organizations[record.organization] = record
            case Account():
                self._put_account(record)
            case AccountContact():
                self._contacts[record.key] = record.contact
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
