"""A year of an organization's changes of payer, for pictures: written, not told, as nobody can backdate a command."""

from collections.abc import Iterable
from random import Random

from sqlalchemy import text

from tests.support.installations import Installation
from tests.support.kafka import all_consumed, send
from tests.support.messages import Said, account, bind, command, profile

HARBOR = "harbor"
PROJECTS = ("atlas", "beacon", "buoy", "compass", "crane", "ferry", "harbour-map", "keel", "lantern", "mooring",
            "pier-7", "pilot", "quay", "rudder", "sextant", "tide-tables")  # fmt: skip
_ACCOUNTS = ("platform", "research", "growth", "mobility")
_DAY_SECONDS = 86_400


async def make(installation: Installation) -> None:
    """Write the history of all projects, then let a few commands follow."""
    await send(installation, _opening())
    await all_consumed(installation)
    async with installation.engine.begin() as connection:
        for project, payers in histories():
            named = {"organization": HARBOR, "project": project}
            await connection.execute(text(_PROJECT), named)
            for number, (payer, seconds) in enumerate(payers, 1):
                row = {**named, "number": number, "account": payer, "seconds": seconds}
                await connection.execute(text(_BINDING), row)
    await send(installation, _commands())
    await all_consumed(installation)


def histories() -> Iterable[tuple[str, list[tuple[str, float]]]]:
    """Return each project's payers, each with how many seconds ago it began to pay; always the same ones."""
    chance = Random(7)
    for number, project in enumerate(PROJECTS):
        count = 9 if number == 0 else chance.randint(1, 6)
        longest = 420 if number == 0 else chance.choice((40, 90, 200))
        begins = sorted((chance.uniform(0.4, longest) * _DAY_SECONDS for _ in range(count)), reverse=True)
        payers: list[tuple[str, float]] = []
        for ago in begins:
            others = [one for one in _ACCOUNTS if not payers or one != payers[-1][0]]
            payers.append((chance.choice(others), ago))
        yield project, payers


def _opening() -> Iterable[Said]:
    yield profile(HARBOR)
    for name in _ACCOUNTS:
        yield account(HARBOR, name, displayName=f"{name.capitalize()} at the harbour")


def _commands() -> Iterable[Said]:
    yield bind(HARBOR, "atlas", "mobility", "cmd-2041", expectedAccount="nobody-yet")
    yield bind(
        HARBOR, "atlas", "platform", "cmd-2042", effectiveAt="2027-01-31T00:00:00Z", reason="budget of next year"
    )
    yield command("SuspendAccount", "cmd-2043", HARBOR, account="growth", reason="PaymentFailure",
                  message="two invoices are unpaid", ce_authid="ivy")  # fmt: skip
    yield bind(HARBOR, "atlas", "growth", "cmd-2044", reason="campaign")


_PROJECT = "INSERT INTO projects (organization, project, state, version) VALUES (:organization, :project, 'Active', 1)"
_BINDING = """
INSERT INTO bindings (organization, project, number, account, from_instant)
VALUES (:organization, :project, :number, :account, clock_timestamp() - make_interval(secs => :seconds))
"""
