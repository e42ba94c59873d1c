"""The command line: a room for each purpose, and `program`, the table of all commands."""

import logging
import signal
import time


def main() -> None:
    """Run the command line of this process; Ctrl-C ends it without a traceback, whenever it comes."""
    began = time.monotonic()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # KeyboardInterrupt in the middle of an import would show as a traceback: until a command runs, the system's own
        # way of ending a process is right.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cli.program import app  # noqa: PLC0415 - what takes time to import has to come after that

    # Logs are for what runs and sets them up; a command that asks or sends says itself, once, what went wrong.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    app(obj=began)
