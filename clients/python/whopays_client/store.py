"""Where a subscriber keeps its position: in the store of the application's own data, so that both advance together."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

Transaction = TypeVar("Transaction")


class Store(Protocol[Transaction]):
    """Texts under keys, read and written within transactions of the application's database.

    The type of a transaction is up to the store: a subscriber passes it to the code that handles a change. Errors of
    the driver pass through.
    """

    def transaction(self, name: str) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction; commit when the block ends, roll back when it raises.

        At most one transaction of a `name` is open at any time, across all processes: others wait here.
        """
        ...

    async def recall(self, transaction: Transaction | None, keys: Sequence[str]) -> dict[str, str]:
        """Return the texts under those of `keys` that have one, as this transaction sees them.

        Without a transaction: as last committed, without waiting for any lock.
        """
        ...

    async def remember(self, transaction: Transaction, values: Mapping[str, str]) -> None:
        """Write texts under their keys as part of the transaction, replacing earlier ones."""
        ...
