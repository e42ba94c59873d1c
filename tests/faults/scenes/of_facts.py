"""Scenes of facts: what upstreams report of projects and payment profiles, in order or not."""

from typing import Any

from tests.faults.speaking import ACCOUNTS, PROJECTS, Chance, Organization, soon
from tests.support.messages import Said, profile, project


def project_reported(organization: Organization, chance: Chance) -> list[Said]:
    """A project is reported in other states, or another takes its name; then somebody is to pay for it."""
    name = chance.one(PROJECTS)
    states = chance.one(
        (("Active",), ("Inactive", "Active"), ("Inactive",), ("Deleted",), ("Deleted", "Active"), ("uid",))
    )
    told = []
    for state in states:
        if state == "uid":
            organization.uids[name] = chance.new_id("uid")
        reported = "Active" if state == "uid" else state
        told.append(organization.report_project(name, reported, displayName=chance.one(("Lab", "Studio"))))
    if states[-1] == "Active":
        told.append(organization.bind(name, chance.one(ACCOUNTS), waitSeconds=2))
    return told


def stale(organization: Organization, chance: Chance) -> list[Said]:
    """An older version, the same again, or the same version with other content, which is the producer's fault."""
    name = chance.one(PROJECTS)
    now = organization.versions[name]
    members: dict[str, Any] = {"ce_id": chance.new_id("fact"), "displayName": "conflict"}
    if name in organization.uids:
        members["uid"] = organization.uids[name]
    again = project(organization.name, name, now, state="Inactive", **members)
    old = project(organization.name, name, max(1, now - 1), **members)
    report = organization.report_project(name, "Active", displayName="twice")
    told: list[Said] = chance.one(([old], [report, report], [again], [report, old, report]))
    return told


def profile_reported(organization: Organization, chance: Chance) -> list[Said]:
    """Usually a loss that is made good at once, so that accounts are Ready most of the time."""
    if chance.occurs(25):
        valid = organization.report_profile("card", "Valid", expiresAt=soon(chance.one((1, 2))))
        return [valid, organization.report_profile("card", "Valid")] if chance.occurs(50) else [valid]
    if chance.occurs(20):
        old = profile(organization.name, "card", organization.versions["card"], ce_id=chance.new_id("fact"))
        return [organization.report_profile("card", "Valid"), old]
    state = chance.one(("Valid", "Invalid", "Invalid"))
    return [organization.report_profile("card", state), organization.report_profile("card", "Valid")]
