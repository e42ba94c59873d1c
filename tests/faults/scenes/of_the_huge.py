"""Scenes of one huge organization: one of its accounts pays for so many projects that its notices are fanned out."""

from collections.abc import Iterator

from tests.faults.speaking import Chance, Organization
from tests.support.messages import Said, bind, project

HUGE = "huge"


def beginning(projects: int, chance: Chance) -> Iterator[Said]:
    """Yield an account that is Ready, and the projects that it pays for."""
    huge = Organization(HUGE, chance)
    yield huge.report_profile("card", "Valid")
    yield huge.create("payer")
    for number in range(projects):
        yield project(HUGE, f"h{number:04}", ce_id=chance.new_id("fact"))
    for number in range(projects):
        yield bind(HUGE, f"h{number:04}", "payer", chance.new_id("bind"), waitSeconds=60)


def fanned_out(_: Organization, chance: Chance) -> list[Said]:
    """The huge account is suspended, and reactivated while its projects are still being notified."""
    huge = Organization(HUGE, chance)
    return [
        huge.command("SuspendAccount", account="payer", reason="PaymentFailure"),
        huge.command("RequestReactivation", account="payer", resolution="paid"),
        huge.command("ApproveReactivation", account="payer", ce_authid="bob"),
    ]
