"""JSON pointers into what was sent, and how much of it they may quote (docs/contract.md section 6)."""

from typing import Any

Path = tuple[str | int, ...]
"""Member names and list indexes, from the data inwards."""

LONGEST_QUOTE = 100
PRIVATE = "contact"

_CONTACT: dict[str, Any] = {
    "name": {},
    "emails": {},
    "phone": {},
    "address": {"line1": {}, "line2": {}, "postalCode": {}, "city": {}, "country": {}},
    "accountingContact": {"name": {}, "emails": {}},
    "language": {},
}


def pointer(path: Path) -> str:
    """Write a path as a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def quotable(path: Path) -> Path:
    """Return what may be said of a path: 100 characters of names, and below `contact` only the contract's own names."""
    quoted = 0
    known = _CONTACT
    for depth, step in enumerate(path):
        if isinstance(step, int):
            continue
        quoted += len(step)
        if quoted > LONGEST_QUOTE:
            return path[:depth]
        if depth > 0 and path[0] == PRIVATE:
            if step not in known:
                return path[:depth]
            known = known[step]
    return path
