"""Refusals as problem details (RFC 9457; docs/contract.md section 11)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from db.questions.snapshots import Snapshot

MEDIA = "application/problem+json"
LONGEST_QUOTE = 100
"""How many characters of the request a message or a pointer may quote."""
_MOST_VIOLATIONS = 100


class Reason(StrEnum):
    """Why a parameter, a part of the path, or a member of the body is refused."""

    UNKNOWN = "Unknown"
    REPEATED = "Repeated"
    MISSING = "Missing"
    MALFORMED = "Malformed"
    OUT_OF_RANGE = "OutOfRange"
    CONFLICTING = "Conflicting"
    FORBIDDEN = "Forbidden"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong; `field` is a parameter's name, or a pointer into the body."""

    reason: Reason
    message: str
    field: str


class Problem(Exception):
    """A refusal, by its name in the contract; it is answered as `application/problem+json`."""

    def __init__(
        self,
        name: str,
        detail: str,
        violations: Sequence[Violation] = (),
        *,
        headers: Mapping[str, str] | None = None,
        count: int | None = None,
    ) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail
        self.violations = violations
        self.count = len(violations) if count is None else count
        self.headers = dict(headers or {})
        self.snapshot: Snapshot | None = None
        self.status, self.title = PROBLEMS[name]

    def document(self) -> dict[str, Any]:
        """Return the problem as a JSON-compatible dictionary."""
        return {
            "type": f"urn:whopays:problem:{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "violations": [
                {"reason": one.reason, "message": one.message, "field": quoted(one.field)}
                for one in self.violations[:_MOST_VIOLATIONS]
            ],
            "violationCount": self.count,
        }

    def body(self) -> bytes:
        """Return the problem as JSON."""
        return orjson.dumps(self.document())


def wrong(violations: Sequence[Violation]) -> Problem:
    """Return the problem for invalid parameters or names in the path, with all violations."""
    return Problem("InvalidParameter", "The parameters, or names in the path, are not right.", violations)


def wrong_body(violations: Sequence[Violation]) -> Problem:
    """Return the problem for an invalid body, with all violations."""
    return Problem("InvalidBody", "The body is not right.", violations)


def unavailable(detail: str = "The database is unavailable at present.") -> Problem:
    """Return the problem for a database that is unreachable or too slow."""
    return Problem("Unavailable", detail, headers={"Retry-After": "1"})


def quoted(text: str) -> str:
    """Return as much of the sent text as may be quoted, in a form that every JSON parser accepts."""
    return text[:LONGEST_QUOTE].encode("utf-8", "replace").decode()


PROBLEMS: dict[str, tuple[int, str]] = {
    "InvalidParameter": (400, "A parameter is invalid"),
    "InvalidBody": (400, "The body is invalid"),
    "Unauthenticated": (401, "The request is not authenticated"),
    "Forbidden": (403, "The asker is not allowed to do this"),
    "NotFound": (404, "There is no such path"),
    "ProjectNotFound": (404, "The project was never reported"),
    "AccountNotFound": (404, "There is no such account"),
    "ResultNotFound": (404, "There is no such result"),
    "ReplayNotFound": (404, "There is no such replay"),
    "MethodNotAllowed": (405, "The path does not have this method"),
    "NotAcceptable": (406, "No accepted media type is available"),
    "EventsExpired": (410, "The events are no longer kept"),
    "TooManyQuestions": (413, "There are too many questions"),
    "BodyTooLarge": (413, "The body is too large"),
    "UnsupportedMediaType": (415, "The body's media type is not understood"),
    "TooManyRequests": (429, "There are too many requests at once"),
    "Internal": (500, "The service failed"),
    "Unavailable": (503, "The database is unavailable"),
    "NotYetKnown": (503, "The requested event or instant is not reached yet"),
}
"""Status and title of each problem, by its name."""
