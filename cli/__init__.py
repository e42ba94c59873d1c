"""The command line: a package per group of commands, and `program`, the table of all commands."""

import logging
import signal
import time


def main() -> None:
    """Run the command line of this process; Ctrl-C ends it without a traceback at any time."""
    began = time.monotonic()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # KeyboardInterrupt in the middle of an import would show a traceback, so until a command runs, SIGINT keeps
        # its default action.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cli.program import app  # noqa: PLC0415 - slow to import, so only after that

    # Only long-running commands set up logs; the others report an error themselves, once.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    app(obj=began)
