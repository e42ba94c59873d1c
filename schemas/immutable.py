"""Immutable records at the price of mutable ones.

A frozen dataclass sets each field through `object.__setattr__`, which makes it three times as slow to make; a command
makes a dozen. Here `frozen=True` is held by the type checker alone: whoever assigns to a field fails `make lint`.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, **options: Any) -> Callable[[type], type]:
        """Make a dataclass that can be hashed, as a frozen one can."""
        return dataclasses.dataclass(unsafe_hash=frozen, **options)
