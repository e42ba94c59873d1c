"""Each party can do its part at the broker, and nothing else."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from audit.installation import audited
from db.dead_letters import Choice
from embedded.kafka_security import ADMIN
from schemas.message_types import type_of
from schemas.topics import Topic
from tests.faults.moving import lose_records
from tests.services.kafka_security.conftest import ON_CALL, ROLES, STRANGER, Secured, SecuredInstallation
from tests.support.messages import bind
from tests.support.waiting import patience
from whopays_client import (
    BindProject,
    Connection,
    CreateAccount,
    Fact,
    NotAllowed,
    PaymentProfileChanged,
    PaymentTerms,
    ProjectChanged,
    Publisher,
    TopicMissing,
)
from workers.exchange import Message, open_exchange
from workers.publishing.dividing import transactional_id
from workers.redriving import Redriving, redrive
from workers.runtime.kafka import kafka_options
from workers.runtime.settings import Settings
from workers.topics.acls import Operation, Party, allowed
from workers.topics.cluster import administration, describe
from workers.topics.metadata import Metadata
from workers.topics.plan import check_topics

_CARD = PaymentProfileChanged(
    organization="acme", payment_profile="card", kind="CreditCard", state="Valid", version=1, reference="tok"
)
_PROJECT = ProjectChanged(organization="acme", project="web", state="Active", version=1)
INPUTS = {Topic.PROJECTS, Topic.PAYMENT_PROFILES, Topic.ADMIN_COMMANDS}
OUTPUTS = {Topic.BINDINGS, Topic.ACCOUNTS, Topic.NOTICES, Topic.COMMAND_RESULTS, Topic.DEAD_LETTERS}
TOLD = {Topic.RELAY_POSITIONS, Topic.WATERMARKS}
WRITES: dict[str, set[Topic]] = {
    Party.RESOURCE_MANAGER: {Topic.PROJECTS},
    Party.PAYMENTS: {Topic.PAYMENT_PROFILES},
    Party.COMMANDS: {Topic.ADMIN_COMMANDS},
    Party.WORKERS: set(),
    Party.RELAY: OUTPUTS | TOLD,
    Party.REPLAYS: {Topic.REPLAY_POSITIONS},
    Party.SUBSCRIBERS: set(),
    Party.OPERATORS: INPUTS,
    STRANGER: set(),
}
READS: dict[str, set[Topic]] = {
    Party.RESOURCE_MANAGER: set(),
    Party.PAYMENTS: set(),
    Party.COMMANDS: {Topic.COMMAND_RESULTS},
    Party.WORKERS: INPUTS | TOLD,
    Party.RELAY: OUTPUTS | TOLD,
    Party.REPLAYS: {Topic.REPLAY_POSITIONS} | TOLD,
    Party.SUBSCRIBERS: {Topic.BINDINGS, Topic.ACCOUNTS, Topic.NOTICES, Topic.WATERMARKS},
    Party.OPERATORS: OUTPUTS | TOLD | {Topic.REPLAY_POSITIONS},
    STRANGER: set(),
}


@pytest.mark.parametrize("user", WRITES)
async def test_the_broker_lets_each_party_do_its_part_and_nothing_else(user: str, secured: SecuredInstallation) -> None:
    settings = secured.settings(user)
    async with administration(settings) as client:
        asked = Metadata([settings.topic(topic) for topic in Topic], with_rights=True)
        found = (await client._send_request(asked)).to_object()["topics"]
    rights = {one["topic"]: 0 if one["error_code"] else one["authorized_operations"] for one in found}
    assert len(rights) == len(Topic)

    def may(operation: Operation) -> set[Topic]:
        return {topic for topic in Topic if rights[settings.topic(topic)] >> operation & 1}

    assert may(Operation.WRITE) == WRITES[user]
    assert may(Operation.READ) == READS[user]
    assert may(Operation.DELETE) == may(Operation.ALTER) == set()
    assert may(Operation.ALTER_CONFIGS) == (set(Topic) if user == Party.OPERATORS else set())


async def test_the_roles_play_their_parts_as_their_parties(secured: SecuredInstallation) -> None:
    for party in ROLES:
        await secured.start(party)
    await _report(secured, Party.PAYMENTS, _CARD)
    await _report(secured, Party.RESOURCE_MANAGER, _PROJECT)
    connection = _connection(secured, Party.COMMANDS)
    async with Publisher(connection, "/tests", person="alice", wait_seconds=patience(60)) as publisher:
        account = CreateAccount(
            organization="acme", account="main", currency_code="EUR", payment_terms=PaymentTerms(),
            payment_profile="card",
        )  # fmt: skip
        assert (await publisher.send(account)).outcome == "Applied"
        bound = await publisher.send(BindProject(organization="acme", project="web", account="main", wait_seconds=60))
        assert bound.outcome in {"Applied", "Waiting"}
    change = await _first(secured, Topic.BINDINGS)
    assert change["data"]["current"]["account"] == "main"
    assert change["type"] == type_of("BindingChanged")
    await _insist_on_the_operators_part(secured)
    for worker in secured.installation.workers:
        assert await worker.stop() == 0
    await _insist_on_bringing_together(secured)


async def _insist_on_the_operators_part(secured: SecuredInstallation) -> None:
    """Check the topics, send and wait for the answer, redrive, audit: all with the rights of operators alone."""
    settings = secured.settings(Party.OPERATORS)
    assert await check_topics(settings) == []
    event = json.loads(bind("acme", "none", "main", "by-an-operator").value or b"")
    async with open_exchange(settings) as exchange:
        answer = await exchange.send(Message(event, Topic.ADMIN_COMMANDS), patience(60))
        assert answer.result is not None
        assert answer.result["data"]["violations"][0]["reason"] == "ProjectNotFound"
        poison = await exchange.send(Message(event, Topic.PROJECTS), patience(60))
        assert poison.dead_letter is not None
    state = Redriving()
    await redrive(settings, Choice(), by="olga", again=False, rate=None, state=state)
    assert len(state.put) == 1
    assert [one async for one in audited(settings, secured.installation.engine, lambda *_: None)] == []


async def _insist_on_bringing_together(secured: SecuredInstallation) -> None:
    """Find that positions are lost, and restore them: each by the rights that docs/kafka.md says it needs."""
    whopays = secured.whopays
    assert "have not changed" in (await whopays(Party.OPERATORS, "topics", "adopt")).expect(0).out
    for user, words in ((Party.RELAY, ("topics", "restore-positions")), (ON_CALL, ("reconcile", "--apply"))):
        await lose_records(secured.installation, Topic.RELAY_POSITIONS)
        planned = (await whopays(Party.OPERATORS, "reconcile")).expect(1)
        assert "whopays topics restore-positions" in planned.out
        (await whopays(Party.OPERATORS, "topics", "restore-positions")).expect(1)
        (await whopays(user, *words)).expect(0)
        assert "agree" in (await whopays(Party.OPERATORS, "reconcile")).expect(0).out


async def test_the_client_says_what_it_may_not_do(secured: SecuredInstallation) -> None:
    with pytest.raises(TopicMissing, match="rights to describe"):
        await _report(secured, Party.PAYMENTS, _PROJECT)
    with pytest.raises(NotAllowed, match="write to any topic"):
        await _report(secured, Party.SUBSCRIBERS, _PROJECT)
    with pytest.raises(NotAllowed, match=r"write to .*projects"):
        await _report(secured, Party.RELAY, _PROJECT)
    async with Publisher(_connection(secured, Party.RELAY), "/tests", wait_seconds=patience(60)) as publisher:
        with pytest.raises(NotAllowed, match=r"write to .*admin-commands"):
            await publisher.send(BindProject(organization="acme", project="web", account="main"))


async def test_a_subscriber_writes_nothing(secured: SecuredInstallation) -> None:
    producer = AIOKafkaProducer(**secured.options(Party.SUBSCRIBERS))
    try:
        await producer.start()
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(secured.installation.settings.topic(Topic.BINDINGS), b"{}", partition=0)
    finally:
        await producer.stop()


@pytest.mark.parametrize("party", (Party.COMMANDS, Party.SUBSCRIBERS))
async def test_nobody_joins_the_groups_of_others(party: Party, secured: SecuredInstallation) -> None:
    settings = secured.settings(party)
    topic = settings.topic(min(READS[party]))
    others = Party.SUBSCRIBERS if party is Party.COMMANDS else Party.COMMANDS
    for group, is_own in ((f"{party}.mine", True), (f"{others}.theirs", False), ("mine", False)):
        consumer = AIOKafkaConsumer(topic, **secured.options(party), group_id=group)
        try:
            if is_own:
                await consumer.start()
            else:
                with pytest.raises(GroupAuthorizationFailedError):
                    await _join(consumer)
        finally:
            await consumer.stop()


@pytest.mark.parametrize("party", [party for party in Party if party is not Party.RELAY])
async def test_only_the_relay_has_its_transactional_id(party: Party, secured: SecuredInstallation) -> None:
    settings = secured.settings(party)
    producer = AIOKafkaProducer(**secured.options(party), transactional_id=transactional_id(settings))
    try:
        with pytest.raises(TransactionalIdAuthorizationFailed):
            await producer.start()
    finally:
        with suppress(KafkaError):
            await producer.stop()


async def test_every_way_of_showing_who_one_is(as_admin: Settings) -> None:
    async with administration(as_admin) as client:
        assert (await describe(client, ["nothing"])).cluster_id


@pytest.mark.parametrize(
    "wrong",
    ({"kafka_sasl_password": "guessed"}, {"kafka_ssl_ca_location": None}, {"kafka_sasl_username": "nobody"}),
)
async def test_whoever_shows_nothing_that_holds_is_not_let_in(broker: Secured, wrong: dict[str, Any]) -> None:
    said = {**broker.scram(Party.RELAY), "kafka_bootstrap_servers": broker.kafka.bootstrap_servers, **wrong}
    consumer = AIOKafkaConsumer(**kafka_options(Settings(**said)))
    try:
        with pytest.raises(KafkaError):
            await consumer.start()
    finally:
        await consumer.stop()


async def test_how_many_rights_were_given_is_said(secured: SecuredInstallation) -> None:
    words = ("topics", "acls", "--apply", "--principal", f"{Party.RELAY}=User:{Party.RELAY}")
    entries = sum(len(one.operations) for one in allowed(Party.RELAY, secured.installation.settings))
    said = (await secured.whopays(ADMIN, *words)).expect(0).out
    assert said == f"Gave 1 party their rights ({entries} entries). What they had besides, they still have.\n"


async def _join(consumer: AIOKafkaConsumer) -> None:
    await consumer.start()
    await consumer.getone()


async def _report(secured: SecuredInstallation, party: Party, fact: Fact) -> None:
    async with Publisher(_connection(secured, party), "/facts", wait_seconds=patience(60)) as publisher:
        await publisher.report(fact)


def _connection(secured: SecuredInstallation, user: str) -> Connection:
    options = secured.options(user)
    return Connection(options.pop("bootstrap_servers"), secured.installation.settings.topic_prefix, options)


async def _first(secured: SecuredInstallation, topic: Topic) -> dict[str, Any]:
    """Return the first event of a topic, as a subscriber reads it."""
    name = secured.installation.settings.topic(topic)
    consumer = AIOKafkaConsumer(**secured.options(Party.SUBSCRIBERS), isolation_level="read_committed")
    try:
        await consumer.start()
        consumer.assign([TopicPartition(name, number) for number in range(3)])
        await consumer.seek_to_beginning()
        record = await asyncio.wait_for(consumer.getone(), patience(60))
        return dict(json.loads(record.value))
    finally:
        await consumer.stop()
