"""Records as they are read, and the reasons why some can only become dead letters."""

from datetime import datetime
from enum import StrEnum

from schemas.immutable import dataclass

Headers = tuple[tuple[str, bytes | None], ...]


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
