"""The error that this package raises."""


class EmbeddedError(Exception):
    """The servers cannot be started, or the folder cannot be used: the message says what, where, and what to do."""
