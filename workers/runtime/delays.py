"""Delays between retries."""

from collections.abc import Iterator


def delays(first_seconds: float, longest_seconds: float) -> Iterator[float]:
    """Yield the seconds to wait before each retry: doubled each time, up to `longest_seconds`."""
    seconds = first_seconds
    while True:
        yield seconds
        seconds = min(2 * seconds, longest_seconds)
