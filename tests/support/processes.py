"""Processes that tests start end with the tests, even if those are killed."""

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def _of_linux() -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl  # looked up here: a forked child should not load anything

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return die_with_parent


def in_foreground() -> None:
    """Be the `preexec_fn` of a process that a test sends Ctrl-C to.

    A shell has what it runs in the background ignore Ctrl-C, and a process hands that on to those that it starts.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_with_parent() -> None:
    """Have the kernel kill this process, a fork, when the one that it is a fork of ends."""
    if DIE_WITH_PARENT is not None:
        DIE_WITH_PARENT()


DIE_WITH_PARENT: Callable[[], None] | None = _of_linux() if sys.platform == "linux" else None
"""The `preexec_fn` of every process that a test starts: the kernel kills it when the test run ends."""
