"""Page keys: the organization, the name, and for bindings the number; a page begins after a key.

Without an organization, pages cover all organizations.
"""

from typing import Any

Key = tuple[str, str, int]

FIRST: Key = ("", "", 0)
"""Sorts before all other keys: no name is empty."""


def values_of(organization: str | None, after: Key) -> dict[str, Any]:
    """Return the parameters of `after_key`'s condition, for one organization or for all."""
    names = ("after_organization", "after_name", "after_number")
    return {"organization": organization, **dict(zip(names, after, strict=True))}


def after_key(is_one: bool, *columns: str) -> str:
    """Return the SQL condition for rows after a key."""
    required = "organization = :organization AND " if is_one else ""
    names = ("after_name", "after_number")[: len(columns)]
    if not is_one:
        names, columns = ("after_organization", *names), ("organization", *columns)
    values = ", ".join(f":{name}" for name in names)
    return f"{required}({', '.join(columns)}) > ({values})"
