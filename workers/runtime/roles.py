"""The roles that a process can play."""

from enum import StrEnum


class Role(StrEnum):
    """A role by its name on the command line."""

    PROJECTS = "projects"
    PAYMENT_PROFILES = "payment-profiles"
    ADMIN_COMMANDS = "admin-commands"
    TIMERS = "timers"
    RELAY = "relay"
    REPLAYS = "replays"
    MAINTENANCE = "maintenance"


ALL_ROLES = tuple(Role)
CONSUMERS = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)
BATCH_ROLES = (*CONSUMERS, Role.TIMERS)
"""The roles that decide batches."""
AUDIT = "audit"
"""The name of `whopays verify --watch` in the heartbeats of roles; it is no role of `whopays run`."""
SERVE = "serve"
"""The name of `whopays serve` there."""
