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
"""The roles that decide in batches."""
AUDIT = "audit"
"""What `whopays verify --watch` is called where roles show that they are alive; `whopays run` does not play it."""
SERVE = "serve"
"""What a server of questions is called there."""
