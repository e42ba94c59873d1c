"""How long to wait before something that failed is tried again."""

from collections.abc import Iterator


def delays(first_seconds: float, longest_seconds: float) -> Iterator[float]:
    """Yield the seconds to wait before each next attempt: twice as many each time, up to the longest."""
    seconds = first_seconds
    while True:
        yield seconds
        seconds = min(2 * seconds, longest_seconds)
