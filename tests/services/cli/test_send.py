"""`whopays send`, and questions about the outcome, against a running installation."""

import json
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas.topics import Topic
from tests.faults.moving import move_groups, partitions
from tests.support.batches import batches
from tests.support.command_line import Whopays, whopays_of
from tests.support.installations import Installation
from tests.support.model.said import Said
from tests.support.telling import tell
from tests.support.waiting import patience
from workers.exchange import Exchange, Message, open_exchange
from workers.runtime.kafka import kafka_options
from workers.runtime.roles import Role

TERMS = ("currencyCode=EUR", "paymentTerms.netDays=30", "paymentProfile=card")
CARD = ("PaymentProfileChanged", "paymentProfile=card", "kind=CreditCard", "state=Valid", "version=1")


async def send(whopays: Whopays, organization: str, *words: str, status: int = 0) -> object:
    """Send a message about an organization and return the outcome as JSON."""
    return (await whopays("send", *words, "--organization", organization, "--json")).expect(status).document


async def test_an_account_a_project_and_its_payers(whopays: Whopays) -> None:
    created = await whopays("send", "CreateAccount", "account=main", *TERMS, "--organization", "story", "--id", "c1")
    assert "✔ Applied  account main" in created.expect(0).out
    assert "AccountChanged" in created.out

    ready = await whopays("send", *CARD, "--organization", "story")
    assert "Incomplete → Ready (RequirementsMet)" in ready.expect(0).out
    known = await whopays("send", *CARD, "--organization", "story")
    assert "✔ noted" in known.expect(0).out

    await send(whopays, "story", "CreateAccount", "account=lab", *TERMS)
    appeared = await whopays(
        "send", "ProjectChanged", "project=web", "state=Active", "version=1", "--organization", "story"
    )
    assert "PayerMissing" in appeared.expect(0).out

    for account in ("main", "lab"):
        (await whopays("send", "BindProject", "project=web", f"account={account}", "--organization", "story")).expect(0)

    assert (await whopays("who", "story", "web")).expect(0).out == "lab\n"
    payers = (await whopays("timeline", "story", "web", "--json")).expect(0).document["items"]
    assert [payer["account"] for payer in payers] == ["main", "lab"]
    assert payers[0]["endedAt"] == payers[1]["establishedAt"]
    for instant, payer in ((payers[0]["establishedAt"], "main"), (payers[1]["establishedAt"], "lab")):
        answer = (await whopays("who", "story", "web", "--at", instant, "--json")).expect(0).document
        assert answer.pop("asOf") > instant
        held = answer.pop("payer")
        assert held.pop("organization") == "story"
        assert answer.pop("settled") in (True, False)
        assert (held["account"], held["establishedAt"], held["currencyCode"]) == (payer, instant, "EUR")
        assert answer == {
            "organization": "story", "project": "web", "at": instant, "known": True, "account": payer,
            "scheduled": None,
        }  # fmt: skip
    drawn = (await whopays("timeline", "story", "web")).expect(0).out
    assert payers[1]["establishedAt"] in drawn
    assert "▶" in drawn

    account = (await whopays("account", "story", "lab", "--json")).expect(0).document
    assert (account["phase"], account["boundProjects"]) == ("Ready", 1)
    assert [entry["to"] for entry in account["history"]] == ["Provisioning", "Ready"]
    assert "pays for         1 project" in (await whopays("account", "story", "lab")).expect(0).out

    (kept,) = (await whopays("result", "story", "c1", "--json")).expect(0).document
    assert kept["data"]["outcome"] == "Applied"
    assert "c1 from /cli" in (await whopays("result", "story", "c1", "--source", "/cli")).expect(0).out
    assert (
        "no answered command c1 of /other"
        in (await whopays("result", "story", "c1", "--source", "/other")).expect(1).err
    )


async def test_a_refusal_names_all_that_is_wrong(whopays: Whopays) -> None:
    words = ("BindProject", "project=nothing", "account=nobody", "--organization", "refused")
    refused = (await whopays("send", *words)).expect(1)
    assert "✘ Rejected" in refused.out
    assert "AccountNotFound  /account" in refused.out
    assert "ProjectNotFound  /project" in refused.out
    assert "may succeed later" in refused.out
    document = (await whopays("send", *words, "--authid", "ada", "--source", "/desk", "--json")).expect(1).document
    result = document["result"]
    assert (result["authid"], result["data"]["commandSource"]) == ("ada", "/desk")
    assert [violation["reason"] for violation in result["data"]["violations"]] == ["AccountNotFound", "ProjectNotFound"]


async def test_a_repeated_command_gets_the_answer_of_before(whopays: Whopays) -> None:
    words = ("send", "CreateAccount", "account=main", "--organization", "again", "--id", "c1")
    assert not (await whopays(*words, "--json")).expect(0).document["answeredBefore"]
    assert (await whopays(*words, "--json")).expect(0).document["answeredBefore"]
    assert "answered before" in (await whopays(*words)).expect(0).out
    other = (await whopays(*words, "displayName=Other")).expect(1)
    assert "CommandIdReused" in other.out


async def test_a_dry_run_changes_nothing(whopays: Whopays) -> None:
    words = ("send", "CreateAccount", "account=main", "--organization", "rehearsal", "--id", "c1", "--dry-run")
    for _ in range(2):
        assert "dry run: nothing was changed" in (await whopays(*words)).expect(0).out
    assert "has no account main" in (await whopays("account", "rehearsal", "main")).expect(1).err
    assert "no answered command c1" in (await whopays("result", "rehearsal", "c1")).expect(1).err
    fact = await whopays("send", *CARD, "--organization", "rehearsal", "--dry-run")
    assert "is a fact" in fact.expect(2).err


async def test_what_cannot_be_answered_ends_as_a_dead_letter(whopays: Whopays) -> None:
    fact = (await whopays("send", "ProjectChanged", "project=web", "--organization", "dead")).expect(1)
    assert "dead letter: InvalidFact" in fact.out
    assert "/state: is required" in fact.out
    command = (await whopays("send", "BindProject", "--organization", "NOT A NAME", "--json")).expect(1).document
    assert command["deadLetter"]["data"]["reason"] == "MissingAttribute"
    assert command["deadLetter"]["subject"] == command["place"]


async def test_from_a_file_and_from_standard_input(whopays: Whopays, tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text(json.dumps({"organization": "files", "account": "main", "displayName": "Main"}))
    (await whopays("send", "CreateAccount", "--file", str(data))).expect(0)
    event = {
        "specversion": "1.0",
        "id": "whole",
        "source": "/upstream",
        "type": "io.milo.billing.SuspendAccount.v1",
        "authid": "bob",
        "data": {"organization": "files", "account": "main", "reason": "Administrative"},
    }
    (await whopays("send", "message=hello", "--file", "-", given=json.dumps(event))).expect(0)
    account = (await whopays("account", "files", "main", "--json")).expect(0).document
    (hold,) = account["holds"]
    assert (hold["by"], hold["message"]) == ("bob", "hello")
    assert (await whopays("result", "files", "whole", "--json")).expect(0).document
    shown = (await whopays("account", "files", "main")).expect(0).out
    assert "Administrative" in shown
    assert "hello" in shown

    assert "cannot be read" in (await whopays("send", "BindProject", "--file", "missing.json")).expect(1).err
    twice = await whopays("send", "BindProject", "--file", "-", given='{"a": 1, "a": 2}')
    assert "the same member twice" in twice.expect(1).err
    empty = await whopays("send", "BindProject", "--file", "-", given="\n")
    assert "--file -: is empty." in empty.expect(1).err
    assert "--organization" in (await whopays("send", "BindProject")).expect(2).err


async def test_how_an_account_stands_is_said_with_the_answer(whopays: Whopays) -> None:
    organization = ("--organization", "standing")
    created = (await whopays("send", "CreateAccount", "account=main", *organization)).expect(0)
    assert "main is Provisioning. What is missing to be Ready: " in created.out
    assert "(ConfigurationMissing)" in created.out
    updated = await whopays("send", "UpdateAccount", "account=main", *TERMS[:2], *organization, "--json")
    standing = updated.expect(0).document["account"]
    assert (standing["account"], standing["phase"]) == ("main", "Incomplete")
    assert [one["type"] for one in standing["missing"]] == ["PaymentProfileValid"]
    (await whopays("send", *CARD, *organization)).expect(0)
    ready = (await whopays("send", "AttachPaymentProfile", "account=main", TERMS[2], *organization)).expect(0)
    assert "main is Ready\n" in ready.out
    for words in (
        "UpdateAccount account=main displayName=X --dry-run",
        "SuspendAccount account=nobody reason=Administrative",
        "SetDefaultAccount account=null",
    ):
        assert (await whopays("send", *words.split(), *organization, "--json")).document["account"] is None


async def test_an_answer_is_asked_for_again(whopays: Whopays) -> None:
    words = ("send", "CreateAccount", "account=main", "--organization", "missed", "--id", "c1")
    first = (await whopays(*words, "--json")).expect(0).document
    again = (await whopays(*words, "--again", "--json")).expect(0).document
    assert again["answeredBefore"]
    assert again["result"]["data"] == first["result"]["data"] | {"repeated": True}
    assert again["result"]["id"] != first["result"]["id"], "published once more, not looked up"
    assert "answered before" in (await whopays(*words, "--again")).expect(0).out
    assert f"fingerprint {first['result']['data']['fingerprint']}" in (await whopays("result", "missed", "c1")).out
    assert "is a fact" in (await whopays("send", *CARD, "--organization", "missed", "--again")).expect(2).err


async def test_no_answer_in_time_is_explained(quiet_installation: Installation) -> None:
    """Whoever has read up to a record has not read it."""
    whopays = whopays_of(quiet_installation)
    await _read_up_to(quiet_installation, 0)
    words = ("send", "CreateAccount", "account=main", "--organization", "acme", "--id", "c1", "--timeout", "0.5")
    silent = (await whopays(*words)).expect(3)
    assert "No answer within 0.5 s" in silent.err
    assert "whopays result acme c1" in silent.err
    document = (await whopays(*words, "--json")).expect(3).document
    assert (document["answered"], document["result"]) == (False, None)
    fact = (await whopays("send", *CARD, "--organization", "acme", "--timeout", "0.1")).expect(3)
    assert ("No answer within 0.1 s" in fact.err, "whopays result" in fact.err, fact.out) == (True, False, "")
    await _read_up_to(quiet_installation, 100)
    late = (await whopays(*words)).expect(3)
    assert "has decided, but has not published its answer" in late.err
    assert ("Is the relay running" in late.err, late.out) == (True, "")


async def test_results_of_others_are_no_answer(quiet_installation: Installation) -> None:
    event = {
        "specversion": "1.0", "id": "mine", "source": "/desk", "type": "io.milo.billing.CreateAccount.v1",
        "data": {"organization": "acme", "account": "main"},
    }  # fmt: skip
    settings = quiet_installation.settings
    answers: list[dict[str, Any]] = [
        {"data": {"organization": "acme", "commandSource": "/desk", "commandId": "mine"} | other}
        for other in ({"commandId": "other"}, {"commandSource": "/other"}, {"organization": "other"})
    ]
    producer = AIOKafkaProducer(**kafka_options(settings))
    try:
        await producer.start()
        async with open_exchange(settings) as exchange:
            await producer.send_and_wait(settings.topic(Topic.PROJECTS), b"no JSON")
            for answer in answers:
                await producer.send_and_wait(settings.topic(Topic.COMMAND_RESULTS), json.dumps(answer).encode())
            found = await exchange.send(Message(event, Topic.ADMIN_COMMANDS), 0.4)
            assert (found.is_handled, found.result) == (False, None)
            mine = {"data": answers[0]["data"] | {"commandId": "mine"}}
            await producer.send_and_wait(settings.topic(Topic.COMMAND_RESULTS), json.dumps(mine).encode())
            found = await exchange.send(Message(event, Topic.ADMIN_COMMANDS), patience(20))
            assert (found.is_handled, found.result, found.is_repeat) == (True, mine, False)
            await _insist_on_waiting_for_what_is_to_be_published(exchange, quiet_installation)
    finally:
        await producer.stop()


async def _insist_on_waiting_for_what_is_to_be_published(exchange: Exchange, installation: Installation) -> None:
    """A result that was written since is waited for; one of before is the answer to a repetition."""
    said = Said("CreateAccount", "create", {"organization": "acme", "account": "a"})
    await tell(batches(installation.engine), [said])
    event = {"id": said.id, "source": said.source, "data": said.data}
    message, shard = Message(event, Topic.ADMIN_COMMANDS), installation.settings.shard_of("acme")
    assert await exchange._kept_answer(message, "t/0/1", {shard: 0}) is None
    again = await exchange._kept_answer(message, "t/0/1", {shard: 1000})
    assert again is not None
    assert again.result is not None
    assert (again.place, again.is_repeat, again.result["data"]["commandId"]) == ("t/0/1", True, "create")


async def _read_up_to(installation: Installation, offset: int) -> None:
    """Have the consumers of commands say how far they have read, although nothing is decided."""
    await move_groups(
        installation, {Role.ADMIN_COMMANDS: dict.fromkeys(partitions(installation, Role.ADMIN_COMMANDS), offset)}
    )
