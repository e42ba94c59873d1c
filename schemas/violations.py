"""Pydantic's errors as violations: a JSON pointer, and a message that quotes no value."""

from pydantic import ValidationError

from schemas.card_numbers import is_card_number
from schemas.pointers import LONGEST_QUOTE, PRIVATE, Path, pointer
from schemas.results import Reason, Violation, violation


def violations_of(error: ValidationError, below: Path = ()) -> list[Violation]:
    """Return a violation for everything malformed; `below` is the path of the checked value in the command's data."""
    return [violation(Reason.INVALID, message, field=pointer(path)) for path, message in faults_of(error, below)]


def faults_of(error: ValidationError, below: Path = ()) -> list[tuple[Path, str]]:
    """Return each fault's path and message."""
    found: list[tuple[Path, str]] = []
    for item in error.errors(include_url=False, include_input=False):
        path: Path = (*below, *item["loc"], *item.get("ctx", {}).get("below", ()))
        match item["type"]:
            case "extra_forbidden":
                found.append(_unknown_member(path))
            case "model_type":
                found.append((path, "must be an object"))
            case "missing":
                found.append((path, "is required"))
            case "literal_error":
                found.append((path, f"must be {item['ctx']['expected']}"))
            case _:
                found.append(
                    (path, item["msg"].replace("Input should be", "must be").replace("a valid tuple", "a list"))
                )
    return found


def _unknown_member(path: Path) -> tuple[Path, str]:
    # An unknown member's name is the sender's own text: personal data below `contact`, elsewhere quoted if short.
    name = str(path[-1])
    is_personal = path[0] == PRIVATE and len(path) > 1
    if is_personal or len(name) > LONGEST_QUOTE or is_card_number(name):
        return path[:-1], "has an unknown member"
    return path, "is an unknown member"
