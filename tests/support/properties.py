"""How many examples a property is tried with."""

import os

_SHARE = 5


def examples(usual: int) -> int:
    """Return how many examples to try: `usual`, or a fifth of it where PROPERTIES=few, as in `make unit`."""
    return usual // _SHARE if os.environ.get("PROPERTIES") == "few" else usual
