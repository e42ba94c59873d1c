"""`whopays dead-letters`: listed, shown, and redriven once their cause is fixed."""

import json
from typing import Any

import pytest_asyncio

from tests.support.command_line import Whopays, whopays_of
from tests.support.installations import Installation
from tests.support.waiting import until

MEMBERS = ("account=main", "contact.name=Xanthippe", 'contact.emails=["x@zebrafinch.example"]')


@pytest_asyncio.fixture
async def faulty(quiet_installation: Installation) -> Installation:
    """An installation whose worker fails on the commands of two organizations."""
    await quiet_installation.start(module="tests.services.personal_data.faulty_worker")
    return quiet_installation


async def listed(whopays: Whopays, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await whopays("dead-letters", "list", "--json", *options)).expect(0).document
    return found


async def test_a_fault_that_is_mended_is_redriven(faulty: Installation) -> None:
    whopays = whopays_of(faulty)
    for organization in ("faulty-to-read", "faulty-to-keep"):
        words = ("CreateAccount", *MEMBERS, "--organization", organization, "--id", "c1")
        assert "HandlerFault" in (await whopays("send", *words)).expect(1).out
    (await whopays("send", "ProjectChanged", "project=web", "--organization", "acme")).expect(1)
    (await whopays("send", "ProjectChanged", "displayName=4111111111111111", "--organization", "acme")).expect(1)
    assert [one["reason"] for one in await listed(whopays)] == [
        "CardNumber", "InvalidFact", "HandlerFault", "HandlerFault",
    ]  # fmt: skip
    card, fact, *faults = (one["number"] for one in await listed(whopays))
    assert await listed(whopays, "--reason", "InvalidFact") == await listed(
        whopays, "--before", str(card), "--limit", "1"
    )
    assert "HandlerFault" in (await whopays("dead-letters", "list")).expect(0).out

    shown = (await whopays("dead-letters", "show", str(faults[0]), WHOPAYS_ENCRYPTION_KEYS="{}")).expect(0).out
    assert "--open decrypts it" in shown
    assert "Xanthippe" not in shown
    opened = (await whopays("dead-letters", "show", str(faults[0]), "--open", "--json")).expect(0).document
    assert json.loads(opened["value"])["data"]["contact"]["name"] == "Xanthippe"
    assert opened["headers"] == [{"name": "content-type", "value": "application/cloudevents+json"}]
    assert '"project"' in (await whopays("dead-letters", "show", str(fact))).expect(0).out
    assert "no dead letter 999" in (await whopays("dead-letters", "show", "999")).expect(1).err

    (worker,) = faulty.workers
    await worker.stop()
    await faulty.start()
    assert "was not kept" in (await whopays("dead-letters", "redrive", str(fact), str(card))).expect(1).err
    assert "no dead letter 999" in (await whopays("dead-letters", "redrive", "999")).expect(1).err
    for wrong in ((), ("1", "--reason", "HandlerFault")):
        assert "Say which ones" in (await whopays("dead-letters", "redrive", *wrong)).expect(2).err
    assert len(await listed(whopays, "--waiting")) == 4

    redriven = (await whopays("dead-letters", "redrive", "--reason", "HandlerFault", "--json")).expect(0).document
    assert [one["number"] for one in redriven["redriven"]] == sorted(faults)
    for organization in ("faulty-to-read", "faulty-to-keep"):

        async def answered(name: str = organization) -> bool:
            return (await whopays("result", name, "c1")).status == 0

        await until(answered, "the results of what was redriven")
        account = (await whopays("account", organization, "main", "--contact", "--json")).expect(0).document
        assert account["contact"]["name"] == "Xanthippe"
    assert "nothing to redrive" in (await whopays("dead-letters", "redrive", "--reason", "HandlerFault")).expect(0).out
    assert len(await listed(whopays, "--waiting")) == 2

    assert "was redriven already" in (await whopays("dead-letters", "redrive", str(faults[0]))).expect(0).out
    foreign = await whopays("dead-letters", "redrive", str(fact), WHOPAYS_TOPIC_PREFIX="other.")
    assert "does not read" in foreign.expect(1).err
