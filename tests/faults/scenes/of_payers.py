"""Scenes of payers: bindings at once, later, or as soon as possible, and transfers."""

from typing import Any

from tests.faults.speaking import ACCOUNTS, PROJECTS, Chance, Organization, soon
from tests.support.messages import Said

_FAR_SECONDS = 60


def binding(organization: Organization, chance: Chance) -> list[Said]:
    """A project is bound to any account, now and then only if another paid before."""
    members: dict[str, Any] = {}
    if chance.occurs(15):
        members["expectedAccount"] = chance.one((None, *ACCOUNTS))
    if chance.occurs(10):
        members["reason"] = "reorganised"
    return [organization.bind(chance.one(PROJECTS), chance.one(ACCOUNTS), **members)]


def unchanged(organization: Organization, chance: Chance) -> list[Said]:
    """Two commands say the same."""
    name, payer = chance.one(PROJECTS), chance.one(ACCOUNTS)
    return [organization.bind(name, payer), organization.bind(name, payer)]


def waiting(organization: Organization, chance: Chance) -> list[Said]:
    """A binding that waits for a project, with others behind it; usually the project is reported, else it times out."""
    name = chance.new_id("late")
    waits = [organization.bind(name, chance.one(ACCOUNTS), waitSeconds=chance.number(1, 4))]
    if chance.occurs(40):
        waits.append(organization.bind(name, chance.one(ACCOUNTS)))
    if chance.occurs(20):
        waits.append(organization.bind(name, "missing", waitSeconds=2))
    return [*waits, organization.report_project(name, "Active")] if chance.occurs(70) else waits


def scheduled(organization: Organization, chance: Chance) -> list[Said]:
    """Bindings of a project at instants that soon come, or have passed; some are cancelled."""
    name = chance.one(PROJECTS)

    def appointment(seconds: int) -> Said:
        return organization.bind(name, chance.one(ACCOUNTS), effectiveAt=soon(seconds))

    if chance.occurs(30):
        # Far enough ahead to be scheduled however late it is read, and cancelled so that nobody waits for it.
        cancelled = organization.command("CancelScheduledBinding", project=name)
        return [appointment(_FAR_SECONDS), cancelled]
    told = [appointment(seconds) for seconds in chance.one(((1,), (2,), (3, 2), (-1,)))]
    if chance.occurs(15):
        told.append(organization.command("CancelScheduledBinding", project=name))
    return told


def transferred(organization: Organization, chance: Chance) -> list[Said]:
    """All projects of an account, or two that are named, go to another."""
    source, target = chance.two(ACCOUNTS)
    listed = {"projects": chance.two(PROJECTS)} if chance.occurs(30) else {}
    return [organization.command("TransferProjects", fromAccount=source, toAccount=target, **listed)]


def default_chosen(organization: Organization, chance: Chance) -> list[Said]:
    """A default account is chosen, or none, and then there is a new project."""
    chosen = organization.command("SetDefaultAccount", account=chance.one((None, *ACCOUNTS)))
    return [chosen, organization.report_project(chance.new_id("fresh"), "Active")]
