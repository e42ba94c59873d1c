"""`whopays tail`: what was published, readable or as JSON lines."""

import json

from tests.support.command_line import Whopays


async def test_events_are_told_in_the_order_they_happened(whopays: Whopays) -> None:
    for account in ("main", "lab"):
        (await whopays("send", "CreateAccount", f"account={account}", "--organization", "tail")).expect(0)
    follow = ("tail", "--from-beginning", "--organization", "tail")

    told = (await whopays(*follow, "--max", "6")).expect(0).out.splitlines()
    assert len(told) == 6
    assert "AccountPhaseChanged  tail/main  new → Provisioning (Created)" in told[0]
    assert "#1" in told[0]
    assert any("CreateAccount Applied" in line for line in told)

    lines = (await whopays(*follow, "--topic", "accounts", "--max", "4", "--json")).expect(0).out.splitlines()
    events = [json.loads(line) for line in lines]
    assert [(event["subject"], int(event["sequence"])) for event in events] == [
        ("tail/main", 1),
        ("tail/main", 2),
        ("tail/lab", 1),
        ("tail/lab", 2),
    ]


async def test_only_what_is_published_can_be_followed(whopays: Whopays) -> None:
    refused = await whopays("tail", "--topic", "projects")
    assert "not an output topic" in refused.expect(1).err
