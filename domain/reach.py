"""What a reader may see of an organization (docs/contract.md section 12), for commands that import no messages."""

from collections.abc import Iterable

from schemas.askers import Asker, Grant, Kind, Names
from schemas.immutable import dataclass


@dataclass(frozen=True, slots=True)
class Reach:
    """The accounts and projects of an organization that a reader may see: all (None), or those listed."""

    accounts: tuple[Names, ...] | None = None
    projects: tuple[Names, ...] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether the whole organization is within reach."""
        return self.accounts is None and self.projects is None

    def sees_account(self, account: str) -> bool:
        """Return whether an account is within reach."""
        return self.accounts is None or any(account in names for names in self.accounts)

    def sees_project(self, project: str) -> bool:
        """Return whether a project is within reach."""
        return self.projects is None or any(project in names for names in self.projects)

    def sees(self, project: str | None, *accounts: str | None) -> bool:
        """Return whether an interval, event, notice or result is visible: its project, or one of its accounts, is.

        One that names neither is visible only if the whole organization is within reach.
        """
        if self.is_everything or (project is not None and self.sees_project(project)):
            return True
        return any(account is not None and self.sees_account(account) for account in accounts)


EVERYTHING = Reach()


def reach_of(asker: Asker, organization: str) -> Reach | None:
    """Return what a reader may see in an organization; None if they have no role in it."""
    if asker.grants is None:
        return EVERYTHING
    grants = [grant for grant in asker.grants if grant.is_in(organization)]
    return Reach(_seen(grants, Kind.ACCOUNTS), _seen(grants, Kind.PROJECTS)) if grants else None


def _seen(grants: Iterable[Grant], kind: Kind) -> tuple[Names, ...] | None:
    seen: list[Names] = []
    for grant in grants:
        names = grant.names(kind)
        if names is None:
            return None
        if names.exact or names.prefixes:
            seen.append(names)
    return tuple(seen)
