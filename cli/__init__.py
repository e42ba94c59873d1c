"""The command line: a room for each purpose, and `program`, the table of all commands."""

import signal


def main() -> None:
    """Run the command line of this process; Ctrl-C ends it without a traceback, whenever it comes."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # KeyboardInterrupt in the middle of an import would show as a traceback: until a command runs, the system's own
        # way of ending a process is right.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cli.program import app  # noqa: PLC0415 - what takes time to import has to come after that

    app()
