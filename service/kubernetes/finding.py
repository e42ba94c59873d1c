"""Finds objects: one by its name, or all that are selected, page by page in one snapshot."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from db.questions.reached import EVERYWHERE, Reached
from db.questions.resources.accounts import ShownAccount, accounts_page
from db.questions.resources.bindings import ShownBinding, binding, bindings_page
from db.questions.resources.keys import FIRST, Key
from db.questions.resources.projects import ShownProject, projects_page
from schemas.identifiers import is_identifier
from service.kubernetes.objects import (
    ACTIVE,
    RELEASED,
    SUPERSEDED,
    Object,
    billing_account,
    billing_account_binding,
    fields_of,
    project_object,
)
from service.kubernetes.resources import (
    ACCOUNT,
    BILLING_ACCOUNT_BINDINGS,
    BILLING_ACCOUNTS,
    NAME,
    PHASE,
    PROJECT,
    Resource,
)
from service.kubernetes.selectors import Selection
from service.state import State

_PAGE = 500
"""The maximum number of rows that a statement reads."""
_LARGEST_NUMBER = 2**63 - 1
_BINDING_NAME = re.compile(r"(.+)-([1-9][0-9]{0,18})", re.DOTALL)

_Shown = ShownAccount | ShownBinding | ShownProject


@dataclass(frozen=True, slots=True)
class Scope:
    """What to read from: a connection in a snapshot, the organization or None for all, and the positions of shards.

    Objects that are not `reached` are left out.
    """

    connection: Any
    state: State
    organization: str | None
    positions: dict[int, int]
    reached: Reached = EVERYWHERE

    def object_of(self, shown: _Shown) -> Object:
        """Return a row as the object that clients see."""
        position = self.positions[self.state.shard_of(shown.organization)]
        match shown:
            case ShownAccount():
                return billing_account(
                    shown.organization,
                    shown.state,
                    profile_kind=shown.profile_kind,
                    linked_projects=shown.linked_projects,
                    created_at=shown.created_at,
                    position=position,
                )
            case ShownBinding():
                return billing_account_binding(
                    shown.organization,
                    shown.project,
                    shown.number,
                    shown.account,
                    shown.established_at,
                    position,
                    ended_at=shown.ended_at,
                    phase=_phase(shown),
                )
            case ShownProject():
                return project_object(
                    shown.organization,
                    shown.project,
                    position,
                    is_active=shown.state == "Active",
                    account=shown.account,
                    established_at=shown.established_at,
                )


async def find_one(scope: Scope, resource: Resource, organization: str, name: str) -> Object | None:
    """Return an object by its name, or None."""
    found: _Shown | None
    if resource is BILLING_ACCOUNT_BINDINGS:
        place = _place_of(name)
        if place is None:
            return None
        found = await binding(scope.connection, organization, *place, scope.reached)
    elif resource is BILLING_ACCOUNTS:
        accounts = await accounts_page(scope.connection, organization, FIRST, 1, account=name)
        found = accounts[0] if accounts else None
    else:
        projects = await projects_page(scope.connection, organization, FIRST, 1, project=name)
        found = projects[0] if projects else None
    return None if found is None else scope.object_of(found)


async def find_all(
    scope: Scope, resource: Resource, selection: Selection, after: Key, wanted: int = 0
) -> AsyncIterator[tuple[list[Object], Key | None]]:
    """Yield the selected objects after a key, in pages as they are read, each with the key to continue after.

    That key is None with the last page. Stops after `wanted` objects, unless that is 0.
    """
    if selection.is_empty or not _can_be(resource, selection):
        yield [], None
        return
    found, is_exact = 0, _is_found_exactly(resource, selection)
    while True:
        limit = min(_PAGE, wanted - found) if wanted and is_exact else _PAGE
        rows = await _page(scope, resource, selection, after, limit + 1)
        objects: list[Object] = []
        reached: Key | None = None
        for number, row in enumerate(rows):
            shown = scope.object_of(row)
            if number == limit or (wanted and found + len(objects) == wanted):
                reached = rows[number - 1].key
                break
            if selection.has(fields_of(resource, shown)):
                objects.append(shown)
        found += len(objects)
        yield objects, reached
        if reached is None or (wanted and found >= wanted):
            return
        after = reached


async def _page(scope: Scope, resource: Resource, selection: Selection, after: Key, limit: int) -> list[Any]:
    connection, organization, name = scope.connection, scope.organization, selection.only(NAME)
    if resource is BILLING_ACCOUNTS:
        return list(await accounts_page(connection, organization, after, limit, account=name, reached=scope.reached))
    if resource is BILLING_ACCOUNT_BINDINGS:
        place = None if name is None else _place_of(name)
        found = await bindings_page(
            connection,
            organization,
            after,
            limit,
            only_active=selection.only(PHASE) == ACTIVE,
            project=selection.only(PROJECT) if place is None else place[0],
            account=selection.only(ACCOUNT),
            reached=scope.reached,
            either=place is not None,
        )
        return list(found)
    return list(await projects_page(connection, organization, after, limit, project=name, reached=scope.reached))


def _is_found_exactly(resource: Resource, selection: Selection) -> bool:
    """Return whether the statement alone applies the whole selection, so that every row it returns is selected."""
    if resource is not BILLING_ACCOUNT_BINDINGS:
        return not selection.narrows_beyond(NAME)
    return selection.only(PHASE) == ACTIVE and not selection.narrows_beyond(PHASE, PROJECT, ACCOUNT)


def _can_be(resource: Resource, selection: Selection) -> bool:
    """Return whether all names in the selection are well-formed; no object can have others."""
    name = selection.only(NAME)
    if name is not None and resource is BILLING_ACCOUNT_BINDINGS and _place_of(name) is None:
        return False
    named = [selection.only(field) for field in (PROJECT, ACCOUNT)]
    if resource is not BILLING_ACCOUNT_BINDINGS:
        named.append(name)
    return all(one is None or is_identifier(one) for one in named)


def _place_of(name: str) -> tuple[str, int] | None:
    """Return the project and the number in a binding's name; None if it is malformed."""
    found = _BINDING_NAME.fullmatch(name)
    if found is None or not is_identifier(found[1]) or int(found[2]) > _LARGEST_NUMBER:
        return None
    return found[1], int(found[2])


def _phase(shown: ShownBinding) -> str:
    if shown.ended_at is None:
        return ACTIVE
    return RELEASED if shown.next_account is None else SUPERSEDED
