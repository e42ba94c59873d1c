"""Keyset pagination: a page is requested by the key of the last item before it, so every page costs the same."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Items = list[dict[str, Any]]
After = tuple[Any, ...]
"""The key of an item, which a cursor holds. Each question documents its columns."""
Page = tuple[Items, After | None]
"""The items, and the key of the last one if there are more; a page with a key is never empty."""


def page_of(
    rows: Sequence[Mapping[str, Any]], limit: int, item: Callable[[Mapping[str, Any]], dict[str, Any]], *key: str
) -> Page:
    """Return a page of up to `limit` items from rows that were queried with `limit + 1`.

    `key` names the columns of the key.
    """
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    return [item(row) for row in shown], None if last is None else tuple(last[name] for name in key)
