"""Everything that a batch knows, and what it changed: each decision sees the effects of the ones before it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from domain.bound_projects import BoundProjects
from domain.knowledge import Knowledge
from domain.messages import Due, DueKind
from domain.state import Account, FanOut, Kept, Key, PaymentProfile, PendingBinding, Project
from schemas.contact import Contact

K = TypeVar("K", bound=str | tuple[str, ...])
V = TypeVar("V")


class NotLoaded(LookupError):
    """A decision asked for something that was never looked up, so whether it exists is unknown."""

    def __init__(self, kind: str, key: str | tuple[str, ...]) -> None:
        name = key if isinstance(key, str) else "/".join(key)
        super().__init__(f"{kind} {name} was asked for and not loaded")


class Book(Knowledge):
    """The queries that decisions make.

    A key that was looked up but not loaded is absent; asking for a key that was not looked up raises NotLoaded.
    """

    def default_account(self, organization: str) -> str | None:
        """Return the account that pays for projects that become Active without a payer."""
        chosen = _found(self._organizations, organization, "organization")
        return None if chosen is None else chosen.default_account

    def account(self, organization: str, account: str) -> Account | None:
        """Return an account of an organization, if it exists."""
        return _found(self._accounts, (organization, account), "account")

    def contact(self, account: Account) -> Contact | None:
        """Return an account's contact."""
        return _found(self._contacts, account.key, "contact of account")

    def project(self, organization: str, project: str) -> Project | None:
        """Return a project as last reported, even if deleted."""
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
        """Return whether another `uid` has taken over the project name of this one."""
        return _found(self._retired, (organization, project, uid), "uid")

    def scheduled(self, project: Key) -> PendingBinding | None:
        """Return the scheduled binding of a project, if any."""
        pending = self._pending_of(project)
        return next((one for one in pending.values() if one.kind == "Scheduled"), None)

    def queue(self, project: Key) -> list[PendingBinding]:
        """Return the waiting bindings of a project, in the order in which they are served."""
        pending = self._pending_of(project)
        return [pending[number] for number in sorted(pending) if pending[number].kind == "Waiting"]

    def next_pending_number(self, project: Key) -> int:
        """Return the number of the next pending binding of a project."""
        return max(self._pending_of(project), default=0) + 1

    def waited_for(self, account: Key) -> list[Key]:
        """Return the projects whose first waiting binding is to this account, by name."""
        if account not in self._turning:
            raise NotLoaded("bindings that wait for account", account)
        return [
            (organization, project)
            for organization, project, number in sorted(self._waiting_for.get(account, ()))
            if self.queue((organization, project))[0].number == number
        ]

    def overdue(self, now: datetime) -> list[Due]:
        """Return the due bindings, the waiting ones that time out, and the expired payment profiles: longest due first.

        A profile that expires at the very instant of a binding has expired by then.
        """
        heads = (one for project in self._pending for one in (self.scheduled(project), *self.queue(project)[:1]))
        due = [(one.due_at, 2, _due(one)) for one in heads if one and one.due_at <= now]
        for key, at in self._expired(now):
            if key in self._reported:
                due.append((at, 1, Due(DueKind.PAYMENT_PROFILE, *key)))
        return [one for _, _, one in sorted(due, key=lambda one: (*one[:2], one[2].organization, one[2].name))]

    def expired(self, now: datetime) -> set[Key]:
        """Return the payment profiles that have expired and whose expiry has not been processed yet."""
        return {key for key, _ in self._expired(now)}

    def page(self, fan_out: FanOut) -> tuple[list[str], bool]:
        """Return the next projects that a fan-out notifies, and whether they are the last."""
        if fan_out.key not in self._pages:
            raise NotLoaded("page of account", fan_out.key[:2])
        return self._pages[fan_out.key]

    def fan_outs(self, account: Key) -> list[FanOut]:
        """Return the unfinished fan-outs of an account, in order."""
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
        """Return the records that concern a whole organization: its settings and its fan-outs."""
        chosen = self._organizations.get(organization)
        fan_outs = [one for key, of in self._fan_outs.items() if key[0] == organization for one in of.values()]
        return (*fan_outs,) if chosen is None else (chosen, *fan_outs)

    def _expired(self, now: datetime) -> Iterator[tuple[Key, datetime]]:
        for key, profile in self._profiles.items():
            if profile is not None and profile.due_at is not None and profile.due_at <= now:
                yield key, profile.due_at

    def _pending_of(self, project: Key) -> dict[int, PendingBinding]:
        if project not in self._projects:
            raise NotLoaded("pending bindings of project", project)
        return self._pending.get(project, {})


def _due(pending: PendingBinding) -> Due:
    kind = DueKind.SCHEDULED_BINDING if pending.kind == "Scheduled" else DueKind.WAITING_BINDING
    return Due(kind, pending.organization, pending.project)


def _found(known: Mapping[K, V], key: K, kind: str) -> V:
    try:
        return known[key]
    except KeyError:
        raise NotLoaded(kind, key) from None
