"""Scenes of odd records: repeated, under an id in use, dry runs, expired, without a key, or refused."""

import json
from dataclasses import replace

from schemas.topics import INPUT_TOPICS
from tests.faults.poison import poison as poisons
from tests.faults.poison import refusals
from tests.faults.scenes.of_payers import binding
from tests.faults.speaking import ACCOUNTS, HOLDS, PROJECTS, Chance, Organization, soon
from tests.support.messages import Said, bind


def repeated(organization: Organization, chance: Chance) -> list[Said]:
    """The same id with the same meaning: in another spelling, from another sender or nobody, some for the answer."""
    if not organization.said:
        return binding(organization, chance)
    return [_respelt(chance.one(organization.said), chance)]


def reused_id(organization: Organization, chance: Chance) -> list[Said]:
    """The id of another command with another meaning."""
    if not organization.said:
        return binding(organization, chance)
    earlier = json.loads(chance.one(organization.said).value or b"")
    return [bind(organization.name, "p0", "a", earlier["id"], reason=chance.new_id("another meaning"))]


def dry_run(organization: Organization, chance: Chance) -> list[Said]:
    """A dry run."""
    tried = chance.one(
        (
            {"name": "BindProject", "project": chance.one(PROJECTS), "account": chance.one(ACCOUNTS)},
            {"name": "SuspendAccount", "account": chance.one(ACCOUNTS), "reason": chance.one(HOLDS)},
            {"name": "TransferProjects", "fromAccount": "a", "toAccount": "b"},
        )
    )
    return [organization.command(**tried, dryRun=True)]


def expiring(organization: Organization, chance: Chance) -> list[Said]:
    """A binding that has expired, or will long after it is read."""
    name, payer = chance.one(PROJECTS), chance.one(ACCOUNTS)
    return [organization.bind(name, payer, ce_expirytime=soon(chance.one((-60, 600))))]


def refused(organization: Organization, chance: Chance) -> list[Said]:
    """A command that is usually refused."""
    members = {"project": chance.one(PROJECTS), "account": chance.one(ACCOUNTS)}
    name, said = chance.one(refusals(members))
    return [organization.command(name, **said)]


def poison(organization: Organization, chance: Chance) -> list[Said]:
    """A record that only a dead letter can answer."""
    return [chance.one(poisons(organization.name, chance.new_id("bad"), chance.one(INPUT_TOPICS)))]


def keyless(organization: Organization, chance: Chance) -> list[Said]:
    """Only the order of messages depends on the key, never correctness."""
    asked = bind(organization.name, chance.one(PROJECTS), chance.one(ACCOUNTS), chance.new_id("keyless"))
    return [replace(asked, key=chance.one((None, b"another")))]


def _respelt(said: Said, chance: Chance) -> Said:
    event = json.loads(said.value or b"")
    event["data"] = dict(reversed(event["data"].items()))
    if event["type"].endswith(".BindProject.v1") and event["data"].keys() == {"organization", "project", "account"}:
        event["data"].setdefault("waitSeconds", 0)
    event["authid"] = chance.one((*3 * (event.get("authid"), "carol"), None, "System:cron", "car\u200bol"))
    event["answer"] = chance.one((None, "again"))
    spelt = {name: text for name, text in event.items() if text is not None}
    return replace(said, value=json.dumps(spelt, indent=chance.one((None, 1))).encode())
