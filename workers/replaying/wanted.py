"""Which rows of the log a selection matches."""

from collections.abc import Callable
from typing import Any

import orjson

from db.history import HistoryRow, Keys
from schemas.replays import Selection, type_in
from schemas.topics import Topic


def keys_of(selection: Selection) -> Keys:
    """Return the part of a selection that the database itself can filter by."""
    key = None
    if selection.project is not None:
        key = f"{selection.organization}/{selection.project}".encode()
    return Keys(selection.topics, selection.organization, key)


def wants(selection: Selection) -> Callable[[HistoryRow], bool]:
    """Return a predicate: whether a row that `keys_of` lets through is selected."""
    types = selection.types
    account = selection.account
    if account is None:
        return lambda row: type_in(row.value) in types
    own_key = f"{selection.organization}/{account}".encode()
    named = orjson.dumps(account)

    def is_wanted(row: HistoryRow) -> bool:
        if type_in(row.value) not in types:
            return False
        if row.topic == Topic.ACCOUNTS:
            return row.key == own_key
        return named in row.value and account in _accounts_named(orjson.loads(row.value)["data"])

    return is_wanted


def _accounts_named(data: dict[str, Any]) -> set[str | None]:
    """Return the accounts that a `BindingChanged` or a notice names."""
    bindings = (data.get("current"), data.get("previous"))
    return {data.get("account"), *(binding["account"] for binding in bindings if binding)}
