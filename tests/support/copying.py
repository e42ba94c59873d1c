"""Copies of what tests keep, several times faster than `copy.deepcopy` makes them."""

import pickle
from typing import TypeVar

T = TypeVar("T")


def copied(value: T) -> T:
    """Return a copy that shares nothing with `value`, which consists of what can be pickled."""
    same: T = pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))  # noqa: S301 (our own)
    return same
