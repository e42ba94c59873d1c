"""Tables, as `kubectl get` prints them, and objects reduced to their metadata."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from schemas.instants import parse_instant
from service.kubernetes.objects import Object
from service.kubernetes.resources import BILLING_ACCOUNT_BINDINGS, BILLING_ACCOUNTS, PROJECTS, Resource
from service.kubernetes.statuses import bad_request
from service.problems import quoted

_NOTHING = "<none>"
_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86_400, 31_536_000


class Included(StrEnum):
    """How much of each object the rows of a table carry."""

    NONE = "None"
    METADATA = "Metadata"
    OBJECT = "Object"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, meaning and cell; a `wide` one is shown only with `-o wide`."""

    name: str
    type: str
    description: str
    cell: Callable[[Object, datetime], Any]
    wide: bool = False
    format: str = ""

    def definition(self) -> dict[str, Any]:
        """Return the definition of the column for a table."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": int(self.wide),
        }


def read_included(value: str) -> Included:
    """Parse `includeObject`. Raises Refusal."""
    try:
        return Included(value or Included.METADATA)
    except ValueError:
        raise bad_request(f'unrecognized includeObject value: "{quoted(value)}"') from None


def definitions(resource: Resource) -> list[dict[str, Any]]:
    """Return the columns of a resource's table."""
    return [column.definition() for column in _COLUMNS[resource]]


def row(resource: Resource, shown: Object, now: datetime, included: Included, group_version: str) -> Object:
    """Return an object as a row; `group_version` is that of the table."""
    return {
        "cells": [column.cell(shown, now) for column in _COLUMNS[resource]],
        "object": _carried(shown, included, group_version),
    }


def mark_row(resource: Resource, mark: Object, group_version: str) -> Object:
    """Return the row of a bookmark, which has only a `resourceVersion`."""
    cells: list[Any] = [0 if column.type == "integer" else "" for column in _COLUMNS[resource]]
    return {"cells": cells, "object": partial(mark, group_version)}


def table(metadata: Object, columns: Sequence[Object], rows: Sequence[Object], group_version: str) -> Object:
    """Return a table."""
    return {
        "kind": "Table",
        "apiVersion": group_version,
        "metadata": metadata,
        "columnDefinitions": list(columns),
        "rows": list(rows),
    }


def partial(shown: Object, group_version: str) -> Object:
    """Return only the metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": group_version, "metadata": shown["metadata"]}


def _carried(shown: Object, included: Included, group_version: str) -> Object | None:
    match included:
        case Included.NONE:
            return None
        case Included.METADATA:
            return partial(shown, group_version)
        case Included.OBJECT:
            return shown


def duration(seconds: float) -> str:
    """Return a duration in Kubernetes' human-readable form: its largest units, two at most."""
    whole = max(0, int(seconds))
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 10 * _MINUTE:
        return _in(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _in(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _in(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    if whole < 8 * _YEAR:
        return _in(whole, _YEAR, "y", _DAY, "d")
    return f"{whole // _YEAR}y"


def _in(whole: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = whole % large // small
    return f"{whole // large}{large_name}" + (f"{rest}{small_name}" if rest else "")


def _age(shown: Object, now: datetime) -> str:
    created = shown["metadata"].get("creationTimestamp")
    return "<unknown>" if created is None else duration((now - parse_instant(created)).total_seconds())


def _at(*path: str) -> Callable[[Object, datetime], Any]:
    """Return a function that reads a member, which may be absent."""

    def cell(shown: Object, _: datetime) -> Any:
        found: Any = shown
        for member in path:
            found = found.get(member)
            if found is None:
                return _NOTHING
        return found

    return cell


def _condition(member: str) -> Callable[[Object, datetime], Any]:
    """Return a function that reads a member of the last condition, which summarizes the others."""
    return lambda shown, _: shown["status"]["conditions"][-1][member]


_NAME = Column("Name", "string", "The name of the object.", _at("metadata", "name"), format="name")
_AGE = Column("Age", "string", "How long ago the object was created.", _age)
_SINCE = "The instant from which on the account pays."
_ESTABLISHED = _at("status", "billingResponsibility", "establishedAt")

_COLUMNS: dict[Resource, tuple[Column, ...]] = {
    BILLING_ACCOUNTS: (
        _NAME,
        Column("Phase", "string", "The phase of the account.", _at("status", "phase")),
        Column("Profile", "string", "The attached payment profile.", _at("spec", "paymentProfile", "name")),
        Column("Projects", "integer", "The number of projects paid for.", _at("status", "linkedProjectsCount")),
        _AGE,
        Column("Currency", "string", "The currency of its invoices.", _at("spec", "currencyCode"), wide=True),
        Column("Kind", "string", "The kind of the profile.", _at("spec", "paymentProfile", "kind"), wide=True),
        Column("Reason", "string", "Why the account is in its phase.", _condition("reason"), wide=True),
    ),
    BILLING_ACCOUNT_BINDINGS: (
        _NAME,
        Column("Project", "string", "The project that is paid for.", _at("spec", "projectRef", "name")),
        Column("Account", "string", "The account that pays.", _at("spec", "billingAccountRef", "name")),
        Column("Phase", "string", "Whether the binding lasts, and how it ended.", _at("status", "phase")),
        Column("Since", "string", _SINCE, _ESTABLISHED),
        Column(
            "Until",
            "string",
            "The instant at which the account stops paying.",
            _at("status", "billingResponsibility", "endedAt"),
            wide=True,
        ),
    ),
    PROJECTS: (
        _NAME,
        Column("Account", "string", "The account that pays.", _at("status", "billingResponsibility", "account")),
        Column("Since", "string", _SINCE, _ESTABLISHED),
        Column("Ready", "string", "Whether the project is active.", _condition("status"), wide=True),
        Column("Reason", "string", "Why the project is ready or not.", _condition("reason"), wide=True),
    ),
}
