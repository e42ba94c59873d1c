"""JSON pointers into the data of a message, and how much of it they may quote (docs/contract.md section 6)."""

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

Path = tuple[str | int, ...]
"""Member names and list indexes, from the data inwards."""

LONGEST_QUOTE = 100
PRIVATE = "contact"


def pointer(path: Path) -> str:
    """Write a path as a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def quotable(path: Path) -> Path:
    """Return the part of a path that may be quoted: 100 characters; below `contact` only names of the contract."""
    quoted = 0
    known: Mapping[str, Any] = {}
    for depth, step in enumerate(path):
        if isinstance(step, int):
            continue
        quoted += len(step)
        if quoted > LONGEST_QUOTE:
            return path[:depth]
        if depth == 0 and step == PRIVATE:
            known = _names_of_a_contact()
        elif path[0] == PRIVATE:
            if step not in known:
                return path[:depth]
            known = known[step]
    return path


@cache
def _names_of_a_contact() -> Mapping[str, Any]:
    # Imported with the first contact: most processes that write pointers see none, and start faster.
    from schemas.contact import Contact  # noqa: PLC0415

    return _names_of(Contact)


def _names_of(model: Any) -> dict[str, Any]:
    """Return the names of a model's members, each with the names nested in it."""
    found = {}
    for name, member in model.model_fields.items():
        inner = [one for one in (member.annotation, *get_args(member.annotation)) if hasattr(one, "model_fields")]
        found[member.alias or name] = _names_of(inner[0]) if inner else {}
    return found
