"""Where a subscriber keeps how far it came: in the store that it keeps its own work in, so that both move together."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

Transaction = TypeVar("Transaction")


class Store(Protocol[Transaction]):
    """Texts under keys, read and written within the transactions of one's own database.

    What a transaction is, is the store's choice: a subscriber hands it to whoever handles a change. Errors of the
    driver pass through.
    """

    def transaction(self, name: str) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction; commit when the block ends, roll back when it raises.

        At any time at most one transaction of a `name` is open, in all processes: others wait here.
        """
        ...

    async def recall(self, transaction: Transaction | None, keys: Sequence[str]) -> dict[str, str]:
        """Return the texts under those of `keys` that have one, as this transaction sees them.

        Without a transaction: as they were last committed, without waiting for anybody.
        """
        ...

    async def remember(self, transaction: Transaction, values: Mapping[str, str]) -> None:
        """Write texts under their keys, as part of the transaction, in place of earlier ones."""
        ...
