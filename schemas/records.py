"""Records as read from Kafka, and the reasons why some can only become dead letters."""

import re
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schemas.immutable import dataclass

Headers = tuple[tuple[str, bytes | None], ...]

REDRIVE_HEADER = "whopays-redriven"
"""The header of a redriven record: an id by which workers process it once, however often it was redriven."""

_REDRIVE_ID = re.compile(rb"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record as read: `topic` with its prefix, `timestamp` in UTC, everything else raw."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    key: bytes | None
    headers: Headers
    value: bytes | None

    @property
    def place(self) -> str:
        """Return `topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def redrive_id(self) -> UUID | None:
        """Return the id in its header REDRIVE_HEADER, None if absent. Any producer may have written it."""
        for name, value in self.headers:
            if name == REDRIVE_HEADER and value is not None and _REDRIVE_ID.fullmatch(value):
                return UUID(value.decode())
        return None


class DeadLetterReason(StrEnum):
    """Why a record cannot be answered (docs/contract.md section 6)."""

    UNDECODABLE = "Undecodable"
    TOMBSTONE = "Tombstone"
    TOO_LARGE = "TooLarge"
    MISSING_ATTRIBUTE = "MissingAttribute"
    UNSUPPORTED_VERSION = "UnsupportedVersion"
    UNKNOWN_TYPE = "UnknownType"
    INVALID_FACT = "InvalidFact"
    VERSION_CONFLICT = "VersionConflict"
    CARD_NUMBER = "CardNumber"
    HANDLER_FAULT = "HandlerFault"


class Unanswerable(Exception):
    """Raised for a record that becomes a dead letter: its `reason`, and a `detail` that quotes no personal data."""

    def __init__(self, reason: DeadLetterReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
