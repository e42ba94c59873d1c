"""Who asks, and what they were granted (docs/contract.md section 12), as the claims of a token say it."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from schemas.identifiers import is_identifier
from schemas.immutable import dataclass

EVERY_ORGANIZATION = "*"


class Role(StrEnum):
    """What somebody may be; what each role may do is said in `domain.rights`."""

    ACCOUNT_ADMIN = "account-admin"
    ACCOUNT_USER = "account-user"
    PROJECT_OWNER = "project-owner"
    OPERATOR = "operator"
    PAYMENTS = "payments"
    INVOICING = "invoicing"
    APPROVER = "approver"
    VIEWER = "viewer"
    AUDITOR = "auditor"


class Kind(StrEnum):
    """The kinds of object that a grant can be narrowed to, each named as the member that lists them."""

    ACCOUNTS = "accounts"
    PROJECTS = "projects"
    PAYMENT_PROFILES = "paymentProfiles"


@dataclass(frozen=True, slots=True)
class Names:
    """A list of names: these, and all that begin with one of the prefixes."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def __contains__(self, name: object) -> bool:
        """Return whether a name is on the list."""
        return isinstance(name, str) and (name in self.exact or name.startswith(self.prefixes))


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in an organization, or in all of them (`*`); `lists` narrow it to some names of some kinds.

    What is narrowed reaches nothing of a kind that it does not list; what is not reaches everything.
    """

    organization: str
    role: Role
    lists: tuple[tuple[Kind, Names], ...] = ()

    def is_in(self, organization: str) -> bool:
        """Return whether the grant is of an organization."""
        return self.organization in (organization, EVERY_ORGANIZATION)

    def names(self, kind: Kind) -> Names | None:
        """Return what of a kind the grant reaches; None for everything."""
        if not self.lists:
            return None
        for one, names in self.lists:
            if one is kind:
                return names
        return _NONE

    def reaches(self, kind: Kind, name: str | None) -> bool:
        """Return whether the grant reaches an object; None is one that is not named in good form."""
        names = self.names(kind)
        return names is None or name in names


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: a person, whom an issuer vouches for, with what they were granted.

    Where no token is checked (`WHOPAYS_AUTH=trusted`) there is no issuer, and `grants` is None: everything is allowed.
    `ignored_grants` counts what was granted in no form that is known, and so grants nothing.
    """

    person: str
    issuer: str | None = None
    grants: tuple[Grant, ...] | None = None
    ignored_grants: int = 0


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that holds: who asks, until when it counts, and the command that it was made for, if it names one.

    `expires` is when the token stops counting (its `exp` and the leeway); `command` is a command's source and id.
    """

    asker: Asker
    expires: datetime
    command: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Unidentified:
    """Nobody is known to ask; `why` names the check that failed, and tells nothing of the token."""

    why: str


def grants_of(claim: Any) -> tuple[tuple[Grant, ...], int]:
    """Return what a token's claim grants, and how much of it is in no known form, which grants nothing."""
    if claim is None:
        return (), 0
    if not isinstance(claim, list):
        return (), 1
    granted = [grant for said in claim if (grant := _grant(said)) is not None]
    return tuple(granted), len(claim) - len(granted)


def _grant(said: Any) -> Grant | None:
    if not isinstance(said, Mapping) or not said.keys() <= _MEMBERS or not said.keys() >= _REQUIRED:
        return None
    organization, role = said["organization"], said["role"]
    if not (organization == EVERY_ORGANIZATION or is_identifier(organization)):
        return None
    if not isinstance(role, str) or role not in _ROLES:
        return None
    lists = []
    for kind in Kind:
        if kind in said:
            names = _names(said[kind])
            if names is None:
                return None
            lists.append((kind, names))
    return Grant(organization, Role(role), tuple(lists))


def _names(said: Any) -> Names | None:
    if not isinstance(said, list) or not said or not all(isinstance(one, str) for one in said):
        return None
    exact = [one for one in said if not one.endswith("*")]
    prefixes = [one[:-1] for one in said if one.endswith("*")]
    if not all(map(is_identifier, exact)) or not all(map(_PREFIX.fullmatch, prefixes)):
        return None
    return Names(frozenset(exact), tuple(dict.fromkeys(prefixes)))


_NONE = Names()
_PREFIX = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,252})?")
_REQUIRED = {"organization", "role"}
_MEMBERS = _REQUIRED | set(Kind)
_ROLES = frozenset(Role)
