"""Violations in the body of a lookup, each with a JSON pointer; computed only for a body known to be invalid."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from schemas.card_numbers import is_card_number
from schemas.identifiers import IDENTIFIER_RULE, is_identifier
from schemas.instants import parse_instant
from schemas.pointers import LONGEST_QUOTE, Path, pointer
from schemas.strict_json import NotStrictJson
from service.problems import Reason, Violation

_NAMES = ("organization", "project")
_IS_REQUIRED = "It is required."
_NOT_AN_INSTANT = "It must be an RFC 3339 instant with offset such as 2027-01-31T12:00:00Z."

Faults = tuple[Violation, ...]


class _Members(list[tuple[str, Any]]):
    """An object's members as they were sent, duplicates included."""


def faults_of_text(raw: bytes, path: Path, error: NotStrictJson, faults_of: Callable[[Any, Path], Faults]) -> Faults:
    """Return the violations of a text that is not strict JSON; if members are repeated, along with all others."""
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        found: Faults = ()
    else:
        found = faults_of(value, path)
    return found or (Violation(Reason.MALFORMED, f"It must be strict JSON: {error}.", pointer(path)),)


def faults_of_document(document: Any, path: Path) -> Faults:
    """Return the violations of a document of questions."""
    return tuple(_of_document(document, path))


def faults_of_question(question: Any, path: Path) -> Faults:
    """Return the violations of a question."""
    return tuple(_of_question(question, path))


def _of_document(document: Any, path: Path) -> Iterator[Violation]:
    if not isinstance(document, dict | _Members):
        yield _malformed(path, "It must be an object.")
        return
    yield from _of_names(document, path, ("questions",))
    questions = dict(document).get("questions", [])
    if isinstance(questions, _Members) or not isinstance(questions, list):
        yield _malformed((*path, "questions"), "It must be a list of questions.")
        return
    for place, question in enumerate(questions):
        yield from _of_question(question, (*path, "questions", place))


def _of_question(question: Any, path: Path) -> Iterator[Violation]:
    if not isinstance(question, dict | _Members):
        yield _malformed(path, "It must be an object.")
        return
    yield from _of_names(question, path, _NAMES, ("at",))
    said = dict(question)
    for name in _NAMES:
        if name in said and not is_identifier(said[name]):
            yield _malformed((*path, name), f"It must be {IDENTIFIER_RULE}.")
    if said.get("at") is not None and not _is_instant(said["at"]):
        yield _malformed((*path, "at"), _NOT_AN_INSTANT)


def _of_names(
    value: "dict[str, Any] | _Members", path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[Violation]:
    names = list(value) if isinstance(value, dict) else [name for name, _ in value]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield Violation(Reason.REPEATED, "A member is given once.", _pointer_to(path, name))
        elif name not in (*required, *optional):
            yield _unknown(path, name)
        seen.add(name)
    for name in required:
        if name not in seen:
            yield Violation(Reason.MISSING, _IS_REQUIRED, pointer((*path, name)))


def _unknown(path: Path, name: str) -> Violation:
    if not _may_be_quoted(name):
        return Violation(Reason.UNKNOWN, "It has a member that is not known.", pointer(path))
    return Violation(Reason.UNKNOWN, "There is no such member.", pointer((*path, name)))


def _pointer_to(path: Path, name: str) -> str:
    return pointer((*path, name) if _may_be_quoted(name) else path)


def _may_be_quoted(name: str) -> bool:
    """Return whether a pointer may repeat what was sent: not at length, and no card number."""
    return len(name) <= LONGEST_QUOTE and not is_card_number(name)


def _malformed(path: Path, message: str) -> Violation:
    return Violation(Reason.MALFORMED, message, pointer(path))


def _is_instant(value: Any) -> bool:
    try:
        return isinstance(value, str) and parse_instant(value) is not None
    except ValueError:
        return False


_DECODER = json.JSONDecoder(object_pairs_hook=_Members)
