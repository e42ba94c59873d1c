"""Why a replay is not begun, or cannot go on.

ReplayRefused
├── ReplayTaken   the name stands for another replay, or another process works on it
└── ReplayFailed  it cannot go on: target, positions and log do not belong together, or no topic can have that name
"""


class ReplayRefused(Exception):
    """A replay is not begun; the message says why, and what to do."""


class ReplayTaken(ReplayRefused):
    """The name stands for another replay, or another process works on this one."""


class ReplayFailed(ReplayRefused):
    """A replay cannot go on: its target, its positions and the log do not belong together, or it can have no target."""
