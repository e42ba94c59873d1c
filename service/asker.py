"""Who asks: the one place where a token would be read (docs/contract.md section 12)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and what they may see beyond names, states and intervals."""

    sees_balance: bool = False
    sees_contact: bool = False


TRUSTED = Asker()
"""Whoever reaches the loopback address of a service with `WHOPAYS_AUTH=trusted`: neither balance nor contact."""


def who_asks(_headers: list[tuple[bytes, bytes]]) -> Asker:
    """Return who asks. Raises Problem `Unauthenticated` where a token is needed and does not hold."""
    return TRUSTED
