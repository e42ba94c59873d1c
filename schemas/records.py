"""What a topic hands over, and what is made of it when it can be answered by a dead letter only."""

from datetime import datetime
from enum import StrEnum

from schemas.immutable import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record as it was read: `topic` with its prefix, `timestamp` in UTC, everything else raw.

    The names of `headers` keep bytes that are not UTF-8: see `header_name`.
    """

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None

    @property
    def place(self) -> str:
        """Give `topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def header_name(raw: bytes) -> str:
    """Give the name of a header, whatever its bytes are; those that are not UTF-8 become lone surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def header_name_bytes(name: str) -> bytes:
    """Give the bytes that a header's name was read from."""
    return name.encode("utf-8", "surrogateescape")


def shown_header_name(name: str) -> str:
    """Give a header's name as text; bytes that are not UTF-8 are shown as escapes such as `\\xff`."""
    return header_name_bytes(name).decode("utf-8", "backslashreplace")


def has_foreign_header_name(record: Record) -> bool:
    """Tell whether the name of a header is not UTF-8."""
    return any(shown_header_name(name) != name for name, _ in record.headers if not name.isascii())


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
