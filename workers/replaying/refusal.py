"""Why a replay is not started, or cannot continue.

ReplayRefused
├── ReplayTaken   the name belongs to another replay, or another process works on it
└── ReplayFailed  it cannot continue: target, positions and log do not match, or no topic can have that name
"""


class ReplayRefused(Exception):
    """A replay is not started; the message says why, and what to do."""


class ReplayTaken(ReplayRefused):
    """The name belongs to another replay, or another process works on this one."""


class ReplayFailed(ReplayRefused):
    """A replay cannot continue: its target, its positions and the log do not match, or it can have no target."""
