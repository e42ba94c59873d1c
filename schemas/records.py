"""Records as they are read, and the reasons why some can only become dead letters."""

import re
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schemas.immutable import dataclass

Headers = tuple[tuple[str, bytes | None], ...]

REDRIVE_HEADER = "whopays-redriven"
"""The header of a record that was put on its topic again: an id by which workers take it once, however often it was."""

_REDRIVE_ID = re.compile(rb"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record as it was read: `topic` with its prefix, `timestamp` in UTC, everything else raw."""

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
        """Return the id in its header REDRIVE_HEADER; None where there is none. Anybody may have written it."""
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
    """A record that ends as a dead letter: its `reason`, and a `detail` that quotes nothing personal."""

    def __init__(self, reason: DeadLetterReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
