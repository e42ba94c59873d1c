"""Turns events of the log into changes of objects: each object before and after, exactly as of the event's position."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from schemas.events import AccountChanged, BindingChanged
from schemas.instants import parse_instant
from schemas.message_types import type_of
from service.kubernetes.objects import (
    RELEASED,
    SUPERSEDED,
    Object,
    at_position,
    billing_account,
    billing_account_binding,
    fields_of,
)
from service.kubernetes.resources import Resource
from service.kubernetes.selectors import Selection

_ACCOUNT_CHANGED, _BINDING_CHANGED = type_of(AccountChanged.name()), type_of(BindingChanged.name())


class Change(NamedTuple):
    """An object before and after an event; `before` is None if it did not exist yet."""

    before: Object | None
    after: Object


class Told(NamedTuple):
    """An event of a watch: `ADDED`, `MODIFIED` or `DELETED`, and the object."""

    type: str
    object: Object


@dataclass(slots=True)
class Accounts:
    """The state of the accounts in a page of events, as of the position before it; `changed_accounts` advances it.

    `states` has the data of the last `AccountChanged` of each, None before it was created; `linked` how many projects
    it paid for; `created` when it was created. The `kinds` of payment profiles are the current ones. The state of an
    account in `guessed` is archived: only its phase is known, and the rest is taken from the next event with its state.
    """

    states: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    created: dict[str, datetime] = field(default_factory=dict)
    linked: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    guessed: set[str] = field(default_factory=set)


def accounts_named(values: Iterable[bytes]) -> set[str]:
    """Return the names of the accounts that events change."""
    return {name for event in map(orjson.loads, values) for name, _ in _affected_accounts(event)}


def profiles_named(values: Iterable[bytes], states: Iterable[Mapping[str, Any] | None]) -> set[str]:
    """Return the payment profiles that accounts have in `states`, or get by events."""
    told_of = [event["data"] for event in map(orjson.loads, values) if event["type"] == _ACCOUNT_CHANGED]
    attached = {state["paymentProfile"] for state in (*told_of, *states) if state is not None}
    return attached - {None}


def state_told(value: bytes) -> Mapping[str, Any]:
    """Return the account in an `AccountChanged`."""
    state: Mapping[str, Any] = orjson.loads(value)["data"]
    return state


def changed_accounts(organization: str, position: int, value: bytes, known: Accounts) -> Iterator[Change]:
    """Yield the changes of accounts by an event, and apply them to `known`."""
    event = orjson.loads(value)
    for name, gained in _affected_accounts(event):
        before = _shown(organization, name, position, known)
        if event["type"] == _ACCOUNT_CHANGED:
            if before is not None and name in known.guessed:
                # The archived state may differ from the guessed one, so never report the account as unchanged.
                before = at_position(before, position - 1)
            known.guessed.discard(name)
            known.states[name] = event["data"]
        known.linked[name] = known.linked.get(name, 0) + gained
        after = _shown(organization, name, position, known)
        if after is not None:
            yield Change(before, after)


def changed_bindings(organization: str, position: int, value: bytes) -> Iterator[Change]:
    """Yield the changes of bindings by an event: the end of one, the beginning of another."""
    event = orjson.loads(value)
    if event["type"] != _BINDING_CHANGED:
        return
    data, number = event["data"], int(event["sequence"])
    previous, current = data["previous"], data["current"]
    if previous is not None:
        shown = _binding(organization, data["project"], number - 1, previous, position)
        ended_at = parse_instant(previous["endedAt"])
        yield Change(shown(), shown(ended_at=ended_at, phase=RELEASED if current is None else SUPERSEDED))
    if current is not None:
        yield Change(None, _binding(organization, data["project"], number, current, position)())


def told(resource: Resource, selection: Selection, change: Change) -> Told | None:
    """Return the watch event for a change; None if it changes nothing that is selected and shown.

    An object that leaves the selection is `DELETED`, with its last selected state, as in Kubernetes.
    """
    before, after = change
    was = before is not None and selection.has(fields_of(resource, before))
    if before is not None and was and not selection.has(fields_of(resource, after)):
        return Told("DELETED", at_position(before, int(after["metadata"]["resourceVersion"])))
    if not selection.has(fields_of(resource, after)):
        return None
    if not was:
        return Told("ADDED", after)
    return Told("MODIFIED", after) if before != after else None


def _affected_accounts(event: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the accounts that an event changes, and how many projects each gains."""
    data = event["data"]
    if event["type"] == _ACCOUNT_CHANGED:
        return [(data["account"], 0)]
    if event["type"] == _BINDING_CHANGED:
        sides = ((data["previous"], -1), (data["current"], 1))
        return [(side["account"], gained) for side, gained in sides if side is not None]
    return []


def _shown(organization: str, name: str, position: int, known: Accounts) -> Object | None:
    state = known.states.get(name)
    if state is None:
        return None
    return billing_account(
        organization,
        state,
        profile_kind=known.kinds.get(state["paymentProfile"] or ""),
        linked_projects=known.linked[name],
        created_at=known.created[name],
        position=position,
    )


def _binding(
    organization: str, project: str, number: int, side: Mapping[str, Any], position: int
) -> Callable[..., Object]:
    def shown(**more: Any) -> Object:
        established_at = parse_instant(side["establishedAt"])
        return billing_account_binding(organization, project, number, side["account"], established_at, position, **more)

    return shown
