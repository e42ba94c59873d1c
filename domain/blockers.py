"""What blocks the closure of an account, in plain values: read-only CLI commands need not import the messages."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from domain.bound_projects import BoundProjects
from schemas.decimals import format_decimal
from schemas.instants import format_instant


class Reported(Protocol):
    """A reported balance, such as `domain.state.Balance`."""

    @property
    def outstanding(self) -> Decimal:
        """What is still owed."""

    @property
    def currency_code(self) -> str:
        """The currency of the amount."""

    @property
    def as_of(self) -> datetime:
        """The instant that the amount refers to."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that blocks closure, with its evidence; any of them may be resolved later."""

    reason: Literal["ActiveBindingsExist", "ChargesOutstanding"]
    message: str
    blockers: dict[str, Any]


def blockers_of(
    activated_at: datetime | None, balance: Reported | None, bound: BoundProjects, listed: int
) -> list[Blocker]:
    """Return what blocks closure: projects that the account pays for, and charges that are, or may be, outstanding.

    At most `listed` of the projects are named.
    """
    found = []
    if bound.count:
        message = f"the account pays for {bound.count} projects: bind them to another account"
        blockers: dict[str, Any] = {"count": bound.count, "projects": bound.lowest(listed)}
        found.append(Blocker("ActiveBindingsExist", message, blockers))
    owes_nothing = (
        balance is not None
        and balance.outstanding == 0
        and (bound.last_ended_at is None or balance.as_of >= bound.last_ended_at)
    )
    if activated_at is not None and not owes_nothing:
        message = "a balance of exactly zero must be reported, as of the end of the account's last binding or later"
        found.append(Blocker("ChargesOutstanding", message, described_balance(balance)))
    return found


def described_balance(balance: Reported | None) -> dict[str, str | None]:
    """Return a balance as blockers show it; each member is None if no balance was reported."""
    return {
        "outstanding": format_decimal(balance.outstanding) if balance else None,
        "currencyCode": balance.currency_code if balance else None,
        "asOf": format_instant(balance.as_of) if balance else None,
    }
