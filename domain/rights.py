"""Who may do what (docs/contract.md section 12): the rights that commands and questions need.

The rights that each command needs are listed with its rule, in `domain.commands`.

They are judged from the command as sent and the token alone, before anything is looked up, so that a refusal does not
reveal what exists. Roles add up, each for the scope of its grant.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from schemas.askers import EVERY_ORGANIZATION, Asker, Grant, Kind, Role
from schemas.identifiers import is_identifier
from schemas.immutable import dataclass
from schemas.results import Reason, Violation, violation


@dataclass(frozen=True, slots=True)
class Right:
    """A right to the object that `member` names, given by any one of `roles` (the least first).

    Without a kind, it is needed for the whole organization, by a grant that is not narrowed. With `only_if_named` it
    is not needed if the member is absent. `when` names another member and the value with which further roles suffice.
    """

    roles: tuple[Role, ...]
    member: str
    kind: Kind | None
    only_if_named: bool = False
    when: tuple[str, str, tuple[Role, ...]] | None = None

    def is_needed(self, data: Mapping[str, Any]) -> bool:
        """Return whether the command, as it was sent, needs this right."""
        return not self.only_if_named or data.get(self.member) is not None

    def roles_for(self, data: Mapping[str, Any]) -> tuple[Role, ...]:
        """Return the roles of which any one is enough, the least first."""
        if self.when is None or data.get(self.when[0]) != self.when[1]:
            return self.roles
        return (*self.when[2], *self.roles)


class Judged(NamedTuple):
    """A violation for each right that a command's sender lacks, and the least role that gives each of the others."""

    missing: list[Violation]
    used: tuple[Role, ...]


_ADMIN = (Role.ACCOUNT_ADMIN,)
_USER = (Role.ACCOUNT_USER, Role.ACCOUNT_ADMIN)

ADMINISTERS = (
    Right(_ADMIN, "account", Kind.ACCOUNTS),
    Right(_ADMIN, "paymentProfile", Kind.PAYMENT_PROFILES, only_if_named=True),
)
ATTACHES = (ADMINISTERS[0], Right(_ADMIN, "paymentProfile", Kind.PAYMENT_PROFILES))
CHOOSES_DEFAULT = (Right(_ADMIN, "account", None),)
OWNS_PROJECT = (Right((Role.PROJECT_OWNER,), "project", Kind.PROJECTS),)
BINDS = (*OWNS_PROJECT, Right(_USER, "account", Kind.ACCOUNTS))
TRANSFERS = (Right(_ADMIN, "fromAccount", Kind.ACCOUNTS), Right(_USER, "toAccount", Kind.ACCOUNTS))
SUSPENDS = (Right((Role.OPERATOR,), "account", Kind.ACCOUNTS, when=("reason", "PaymentFailure", (Role.PAYMENTS,))),)
REPORTS_BALANCE = (Right((Role.INVOICING,), "account", Kind.ACCOUNTS),)
APPROVES = (Right((Role.APPROVER,), "account", Kind.ACCOUNTS),)

READS_OPERATION = (Role.OPERATOR, Role.AUDITOR)
"""The roles that may read dead letters, replays and metrics."""
SEES_MONEY = (Role.ACCOUNT_ADMIN, Role.INVOICING)
"""The roles that may see an account's balance and contact."""


def judged(asker: Asker, organization: str, rights: tuple[Right, ...] | None, data: Mapping[str, Any]) -> Judged:
    """Return which of a command's rights its sender lacks, and which roles give the others.

    `data` is the command's data as sent: a malformed name is reached only by grants that are not narrowed. `rights` is
    None for an unknown command, for which any role in the organization suffices. If no token limits what senders may
    do, nothing is missing and no role is used.
    """
    if asker.grants is None:
        return Judged([], ())
    grants = [grant for grant in asker.grants if grant.is_in(organization)]
    if rights is None:
        missing = [] if grants else [_forbidden(Role.VIEWER, "organization")]
        return Judged(missing, tuple(dict.fromkeys(grant.role for grant in grants)))
    missing, used = [], []
    for right in rights:
        if right.is_needed(data):
            role = _role_for(right, grants, data)
            if role is None:
                missing.append(_forbidden(right.roles_for(data)[0], right.member))
            elif role not in used:
                used.append(role)
    return Judged(missing, tuple(used))


def organizations_of(asker: Asker, roles: Iterable[Role]) -> frozenset[str] | None:
    """Return the organizations in the whole of which the asker has one of the roles; None for all organizations."""
    if has_role(asker, EVERY_ORGANIZATION, roles):
        return None
    named = {grant.organization for grant in asker.grants or ()}
    return frozenset(organization for organization in named if has_role(asker, organization, roles))


def has_role(asker: Asker, organization: str, roles: Iterable[Role], account: str | None = None) -> bool:
    """Return whether the asker has one of the roles in an organization (`*` for all), or for an account of it.

    Without an account, only grants that are not narrowed count.
    """
    if asker.grants is None:
        return True
    wanted = frozenset(roles)
    return any(
        grant.role in wanted and grant.is_in(organization) and grant.reaches(Kind.ACCOUNTS, account)
        for grant in asker.grants
    )


def _role_for(right: Right, grants: Iterable[Grant], data: Mapping[str, Any]) -> Role | None:
    """Return the least role that gives a right, if one of the grants does."""
    # Plain loops, for speed: this runs for each right of every command.
    named, kind = data.get(right.member), right.kind
    name = named if is_identifier(named) else None
    for role in right.roles_for(data):
        for grant in grants:
            if grant.role is role and (not grant.lists if kind is None else grant.reaches(kind, name)):
                return role
    return None


def _forbidden(role: Role, member: str) -> Violation:
    if member == "organization":
        text = f"a command needs a role in the organization: ask for {role}, or for the role that the command needs"
    else:
        text = f"the token does not grant {role} for what {member} names: ask for that role"
    return violation(Reason.FORBIDDEN, text, field=f"/{member}")
