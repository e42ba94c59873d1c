"""Pages by key: a page is asked for by the key of the last item before it, so that it costs the same wherever it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Items = list[dict[str, Any]]
After = tuple[Any, ...]
"""The key of an item: what a cursor holds. Each question says what it is made of."""
Page = tuple[Items, After | None]
"""The items, and the key of the last one if there are more; a page with such a key is never empty."""


def page_of(
    rows: Sequence[Mapping[str, Any]], limit: int, item: Callable[[Mapping[str, Any]], dict[str, Any]], *key: str
) -> Page:
    """Return the page of `limit` items that begins with these rows, of which one more than `limit` was asked for.

    `key` names the columns that a key is made of.
    """
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    return [item(row) for row in shown], None if last is None else tuple(last[name] for name in key)
