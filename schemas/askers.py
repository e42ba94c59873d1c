"""Askers and their grants (docs/contract.md section 12), as the claims of a token state them."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from schemas.identifiers import is_identifier
from schemas.immutable import dataclass

EVERY_ORGANIZATION = "*"


class Role(StrEnum):
    """The roles; `domain.rights` says what each may do."""

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
    """The kinds of object that a grant can be narrowed to, each named like the member that lists them."""

    ACCOUNTS = "accounts"
    PROJECTS = "projects"
    PAYMENT_PROFILES = "paymentProfiles"


@dataclass(frozen=True, slots=True)
class Names:
    """A list of exact names, and of prefixes that stand for all names beginning with them."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def __contains__(self, name: object) -> bool:
        """Return whether a name is on the list."""
        return isinstance(name, str) and (name in self.exact or name.startswith(self.prefixes))


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in an organization, or in all of them (`*`); `lists` narrow it to some names of some kinds.

    A narrowed grant reaches nothing of a kind that it does not list; a grant without lists reaches everything.
    """

    organization: str
    role: Role
    lists: tuple[tuple[Kind, Names], ...] = ()

    def is_in(self, organization: str) -> bool:
        """Return whether the grant applies to an organization."""
        return self.organization in (organization, EVERY_ORGANIZATION)

    def names(self, kind: Kind) -> Names | None:
        """Return the names of a kind that the grant reaches; None for all."""
        if not self.lists:
            return None
        for one, names in self.lists:
            if one is kind:
                return names
        return _NONE

    def reaches(self, kind: Kind, name: str | None) -> bool:
        """Return whether the grant reaches an object; a `name` of None stands for a malformed one."""
        names = self.names(kind)
        return names is None or name in names


@dataclass(frozen=True, slots=True)
class Asker:
    """The person who sends a command or a question, vouched for by an issuer, with their grants.

    If tokens are not checked (`WHOPAYS_AUTH=trusted`), there is no issuer and `grants` is None: everything is allowed.
    `ignored_grants` counts grants of unknown form, which grant nothing.
    """

    person: str
    issuer: str | None = None
    grants: tuple[Grant, ...] | None = None
    ignored_grants: int = 0


@dataclass(frozen=True, slots=True)
class Verified:
    """A valid token: its asker, when it expires, and the command that it was issued for, if it names one.

    `expires` is its `exp` plus the leeway; `command` is a command's source and id.
    """

    asker: Asker
    expires: datetime
    command: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Unidentified:
    """An asker that could not be identified; `why` names the failed check and reveals nothing about the token."""

    why: str


def grants_of(claim: Any) -> tuple[tuple[Grant, ...], int]:
    """Return the grants of a token's claim, and how many of its entries are of unknown form and grant nothing."""
    if claim is None:
        return (), 0
    if not isinstance(claim, list):
        return (), 1
    granted = [grant for entry in claim if (grant := _grant(entry)) is not None]
    return tuple(granted), len(claim) - len(granted)


def _grant(entry: Any) -> Grant | None:
    if not isinstance(entry, Mapping) or not entry.keys() <= _MEMBERS or not entry.keys() >= _REQUIRED:
        return None
    organization, role = entry["organization"], entry["role"]
    if not (organization == EVERY_ORGANIZATION or is_identifier(organization)):
        return None
    if not isinstance(role, str) or role not in _ROLES:
        return None
    lists = []
    for kind in Kind:
        if kind in entry:
            names = _names(entry[kind])
            if names is None:
                return None
            lists.append((kind, names))
    return Grant(organization, Role(role), tuple(lists))


def _names(names: Any) -> Names | None:
    if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
        return None
    exact = [one for one in names if not one.endswith("*")]
    prefixes = [one[:-1] for one in names if one.endswith("*")]
    if not all(map(is_identifier, exact)) or not all(map(_PREFIX.fullmatch, prefixes)):
        return None
    return Names(frozenset(exact), tuple(dict.fromkeys(prefixes)))


_NONE = Names()
_PREFIX = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,252})?")
_REQUIRED = {"organization", "role"}
_MEMBERS = _REQUIRED | set(Kind)
_ROLES = frozenset(Role)
