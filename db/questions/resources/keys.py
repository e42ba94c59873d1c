"""Keys of pages: the organization, the name, and of bindings the number; a page begins after one.

Without an organization, pages are of all organizations.
"""

from typing import Any

Key = tuple[str, str, int]

FIRST: Key = ("", "", 0)
"""Before all others: no name is empty."""


def values_of(organization: str | None, after: Key) -> dict[str, Any]:
    """Return the values for what is required of rows after a key (`after_key`), of an organization or of all."""
    names = ("after_organization", "after_name", "after_number")
    return {"organization": organization, **dict(zip(names, after, strict=True))}


def after_key(is_one: bool, *columns: str) -> str:
    """Return what is required of rows after a key."""
    required = "organization = :organization AND " if is_one else ""
    names = ("after_name", "after_number")[: len(columns)]
    if not is_one:
        names, columns = ("after_organization", *names), ("organization", *columns)
    values = ", ".join(f":{name}" for name in names)
    return f"{required}({', '.join(columns)}) > ({values})"
