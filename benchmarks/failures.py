"""When a figure must not be believed."""


class BenchmarkFailed(Exception):
    """The outcome is not what it should be, or does not come; the message says what is wrong."""
