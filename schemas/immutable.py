"""Immutable records at the cost of mutable ones.

A frozen dataclass sets each field through `object.__setattr__`, which makes it three times as slow to create, and a
command creates a dozen. Here only the type checker enforces `frozen=True`: assigning to a field fails `make lint`.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, **options: Any) -> Callable[[type], type]:
        """Make a dataclass that is hashable, like a frozen one."""
        return dataclasses.dataclass(unsafe_hash=frozen, **options)
