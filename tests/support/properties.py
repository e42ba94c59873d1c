"""How much of what is tried by the thousand is tried."""

import os

import pytest

_SHARE = 5

IS_QUICK = os.environ.get("PROPERTIES") == "few"
"""Whether it is `make unit` that runs, which tries a part and leaves the rest to `make test`."""

left_to_make_test = pytest.mark.skipif(IS_QUICK, reason="it takes seconds, and is left to `make test`")


def examples(usual: int) -> int:
    """Return how many examples of a property to try: `usual`, or a fifth of it."""
    return usual // _SHARE if IS_QUICK else usual
