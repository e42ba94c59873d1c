"""Scenes of accounts: suspended, updated, closed, and without a payment profile."""

from typing import Any

from tests.faults.speaking import ACCOUNTS, HOLDS, PROJECTS, Chance, Organization, soon
from tests.support.messages import Said

_ONE_PERSON = ("alice", "ALICE", "\uff21lice")


def suspended(organization: Organization, chance: Chance) -> list[Said]:
    """An account is suspended twice for one reason, and usually reactivated by two people."""
    name, reason = chance.one(ACCOUNTS), chance.one(HOLDS)
    told = [organization.command("SuspendAccount", account=name, reason=reason) for _ in range(2)]
    if chance.occurs(30):
        told.append(organization.bind(chance.one(PROJECTS), name))
    told.append(organization.command("RequestReactivation", account=name, resolution="paid"))
    if chance.occurs(40):
        told.append(organization.command("ApproveReactivation", account=name, ce_authid=chance.one(_ONE_PERSON)))
    told.append(organization.command("ApproveReactivation", account=name, ce_authid="bob"))
    return told[: chance.number(3, 4)] if chance.occurs(10) else told


def updated(organization: Organization, chance: Chance) -> list[Said]:
    """A member of an account is set again."""
    members: dict[str, Any] = chance.one(
        (
            {"displayName": chance.new_id("Studio")},
            {"paymentTerms": {"netDays": chance.number(1, 60)}},
            {"currencyCode": "USD"},
            {"displayName": "Lab", "expectedVersion": chance.number(1, 9)},
            {"contact": {"name": "Mae", "emails": ["mae@example.com"]}},
        )
    )
    return [organization.command("UpdateAccount", account=chance.one(ACCOUNTS), **members)]


def closed(organization: Organization, chance: Chance) -> list[Said]:
    """A separate account from beginning to end, with a project that blocks its closing for a while."""
    name, late = chance.new_id("brief"), chance.new_id("brief-project")
    told = [
        organization.create(name),
        organization.report_project(late, "Active"),
        organization.bind(late, name, waitSeconds=2),
        organization.command("RequestClosure", account=name),
        organization.command("TransferProjects", fromAccount=name, toAccount="a"),
        organization.command(
            "ReportBalance",
            account=name,
            outstanding=chance.one(("0", "0.00", "12.5")),
            currencyCode="EUR",
            asOf=soon(200),
        ),
        organization.command("RequestClosure", account=name),
        organization.bind(chance.one(PROJECTS), name),
    ]
    if chance.occurs(20):
        told.append(organization.command("WithdrawClosure", account=name))
    approving = chance.one(("bob", "bob", "bob", "BOB", *_ONE_PERSON))
    told.append(organization.command("ApproveClosure", account=name, ce_authid=approving))
    return [*told, organization.bind(late, name)]


def attached(organization: Organization, chance: Chance) -> list[Said]:
    """The profile is removed, or another is tried in its place; then it is attached again."""
    name = chance.one(ACCOUNTS)
    lost = chance.one(("DetachPaymentProfile", "AttachPaymentProfile"))
    other = {"paymentProfile": "unknown"} if lost == "AttachPaymentProfile" else {}
    return [
        organization.command(lost, account=name, **other),
        organization.command("AttachPaymentProfile", account=name, paymentProfile="card"),
    ]
