"""What is compared: an outbox that commits rows, and whatever publishes them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.processes import Program
from schemas.outgoing import Outgoing


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the outbox: what must be seen as a record. `topic` with its prefix."""

    topic: str
    key: bytes
    value: bytes


class Outbox(ABC):
    """An outbox with its publisher."""

    name: ClassVar[str]
    topics: tuple[str, ...]
    """Where its records are seen, with prefix."""

    @abstractmethod
    def publishing(self) -> AbstractAsyncContextManager[Sequence[Program]]:
        """Have it published, by the programs that are given, until the context ends."""

    @abstractmethod
    async def mark(self) -> None:
        """Remember where the outbox ends now."""

    @abstractmethod
    async def append(self, events: Sequence[Outgoing]) -> list[str]:
        """Append events in one transaction and return their ids once it has committed."""

    @abstractmethod
    async def appended(self) -> list[Row]:
        """Return the rows since the mark; those of one key in the order in which they must be published."""
