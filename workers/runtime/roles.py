"""The roles that a process can play."""

from enum import StrEnum


class Role(StrEnum):
    """A role by its name on the command line."""

    PROJECTS = "projects"
    PAYMENT_PROFILES = "payment-profiles"
    ADMIN_COMMANDS = "admin-commands"
    TIMERS = "timers"
    RELAY = "relay"


ALL_ROLES = tuple(Role)
