"""`whopays tail`: what was published, readable or as JSON lines."""

import json

from tests.support.command_line import Whopays
from tests.support.installations import Installation


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
    for name in ("projects", "billing.projects", "bindingz", ""):
        assert "not an output topic" in (await whopays("tail", "--topic", name)).expect(2).err


async def test_a_topic_is_named_with_or_without_its_prefix(whopays: Whopays, playground: Installation) -> None:
    (await whopays("send", "CreateAccount", "account=main", "--organization", "prefixed")).expect(0)
    for name in ("command-results", playground.settings.topic("command-results")):
        follow = ("tail", "--from-beginning", "--organization", "prefixed", "--topic", name, "--max", "1", "--json")
        assert (await whopays(*follow)).expect(0).document["type"].endswith("CommandCompleted.v1")
    for name in ("projects", playground.settings.topic("projects")):
        reread = (await whopays("topics", "reread", name, "--json", given="n\n")).expect(1)
        assert f"Read {playground.settings.topic('projects')} from its beginning" in reread.err
    for name in ("bindings", playground.settings.topic("bindings"), "other.projects", ""):
        assert "not an input topic" in (await whopays("topics", "reread", name)).expect(2).err
