"""Everything that a batch knows, and what it changed: each decision sees what the one before it did."""

from collections import defaultdict
from collections.abc import Iterable
from typing import assert_never

from domain.state import Account, Binding, Change, Key, PaymentProfile, PhaseEntered, Project, RetiredUid


class Book:
    """What is known, by key. `load_…` fills it with what the database holds, `apply` changes it, the rest reads it.

    After the batch the records to keep are in `accounts_changed`, `projects_changed`, … by key, in their last state.
    """

    def __init__(self) -> None:
        self._accounts: dict[Key, Account] = {}
        self._projects: dict[Key, Project] = {}
        self._profiles: dict[Key, PaymentProfile] = {}
        self._active: dict[Key, Binding] = {}
        self._bound: defaultdict[Key, set[str]] = defaultdict(set)
        self._attached: defaultdict[Key, set[str]] = defaultdict(set)
        self._retired: set[RetiredUid] = set()
        self.accounts_changed: dict[Key, Account] = {}
        self.projects_changed: dict[Key, Project] = {}
        self.payment_profiles_changed: dict[Key, PaymentProfile] = {}
        self.bindings_changed: dict[tuple[str, str, int], Binding] = {}
        self.uids_retired: list[RetiredUid] = []
        self.phases_entered: list[PhaseEntered] = []
        self.bindings_known: set[tuple[str, str, int]] = set()

    def load(self, records: Iterable[Account | Project | PaymentProfile | Binding | RetiredUid]) -> None:
        """Take in what the database holds; a binding is an active one."""
        for record in records:
            self._put(record)
            if isinstance(record, Binding):
                self.bindings_known.add((record.organization, record.project, record.number))

    def load_bound(self, account: Key, project: str) -> None:
        """Take in that an account pays for a project now, where the project itself is not named in the batch."""
        self._bound[account].add(project)

    def apply(self, changes: Iterable[Change]) -> None:
        """Take over what was decided."""
        for change in changes:
            self._put(change)
            match change:
                case Account():
                    self.accounts_changed[change.key] = change
                case Project():
                    self.projects_changed[change.key] = change
                case PaymentProfile():
                    self.payment_profiles_changed[change.key] = change
                case Binding():
                    self.bindings_changed[change.organization, change.project, change.number] = change
                case RetiredUid():
                    self.uids_retired.append(change)
                case PhaseEntered():
                    self.phases_entered.append(change)
                case _:
                    assert_never(change)

    def account(self, organization: str, account: str) -> Account | None:
        """Give an account of an organization, if it exists there."""
        return self._accounts.get((organization, account))

    def project(self, organization: str, project: str) -> Project | None:
        """Give a project as last reported, also a deleted one."""
        return self._projects.get((organization, project))

    def payment_profile(self, organization: str, payment_profile: str | None) -> PaymentProfile | None:
        """Give a payment profile as last reported."""
        return None if payment_profile is None else self._profiles.get((organization, payment_profile))

    def active_binding(self, organization: str, project: str) -> Binding | None:
        """Give the binding that pays for a project now."""
        return self._active.get((organization, project))

    def bound_projects(self, account: Account) -> list[str]:
        """Give the projects that an account pays for now, by name."""
        return sorted(self._bound.get(account.key, ()))

    def accounts_attached_to(self, profile: PaymentProfile) -> list[Account]:
        """Give the accounts that a payment profile is attached to, by name."""
        names = sorted(self._attached.get(profile.key, ()))
        return [self._accounts[profile.organization, name] for name in names]

    def is_retired(self, organization: str, project: str, uid: str) -> bool:
        """Tell whether a `uid` has given its project's name to another."""
        return RetiredUid(organization=organization, project=project, uid=uid) in self._retired

    def _put(self, record: Change) -> None:
        match record:
            case Account():
                self._put_account(record)
            case Project():
                self._projects[record.key] = record
            case PaymentProfile():
                self._profiles[record.key] = record
            case Binding():
                self._put_binding(record)
            case RetiredUid():
                self._retired.add(record)
            case PhaseEntered():
                pass
            case _:
                assert_never(record)

    def _put_account(self, account: Account) -> None:
        before = self._accounts.get(account.key)
        if before is not None and before.payment_profile is not None:
            self._attached[before.organization, before.payment_profile].discard(before.account)
        if account.payment_profile is not None:
            self._attached[account.organization, account.payment_profile].add(account.account)
        self._accounts[account.key] = account

    def _put_binding(self, binding: Binding) -> None:
        project, account = (binding.organization, binding.project), (binding.organization, binding.account)
        if binding.ended_at is None:
            self._active[project] = binding
            self._bound[account].add(binding.project)
        else:
            self._active.pop(project, None)
            self._bound[account].discard(binding.project)
