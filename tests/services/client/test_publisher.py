"""Commands sent through the client, and what comes of them: each gets its own result, once, whatever is killed."""

import asyncio
import gc
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.services.client.telling import bind, connection_to, new_organization, set_up
from tests.support.installations import Installation
from tests.support.kafka import published
from whopays_client import (
    NOBODY,
    Connection,
    Contact,
    CreateAccount,
    NotAcknowledged,
    NotAnswered,
    ProjectChanged,
    Publisher,
    Rejected,
    SetDefaultAccount,
    TooLarge,
    TopicMissing,
    UpdateAccount,
)


async def test_a_command_gets_its_final_result(publisher: Publisher) -> None:
    organization = new_organization()
    await set_up(publisher, organization, "main", "spare", projects=("web",))
    answer = await publisher.send(bind(organization, "web", "spare", expected_account="main"))
    assert answer.is_final
    assert answer.expect().outcome == "Applied"
    assert answer.completed.binding_id is not None
    assert answer.heard.by == "alice"
    assert answer.heard.caused_by == answer.command_id

    guarded = await publisher.send(bind(organization, "web", "main", expected_account=NOBODY))
    with pytest.raises(Rejected, match="PreconditionFailed") as refused:
        guarded.expect()
    assert refused.value.is_retryable
    assert (await publisher.send(bind(organization, "web", "spare"))).outcome == "Unchanged"
    cleared = await publisher.send(SetDefaultAccount(organization=organization, account=NOBODY))
    assert cleared.outcome == "Unchanged"


async def test_an_interim_result_comes_with_a_handle_on_the_final_one(publisher: Publisher) -> None:
    organization = new_organization()
    await set_up(publisher, organization, "main")
    answer = await publisher.send(bind(organization, "late", "main", wait_seconds=600))
    assert (answer.outcome, answer.is_final) == ("Waiting", False)
    with pytest.raises(NotAnswered) as late:
        await answer.final(0.01)
    assert late.value.command_id == answer.command_id
    assert late.value.interim == answer.completed

    again = await publisher.send(bind(organization, "late", "main", wait_seconds=600), id=answer.command_id)
    assert (again.outcome, again.completed.repeated) == ("Waiting", True)
    handles = [asyncio.create_task(one.final(60)) for one in (answer, answer, again)]
    await publisher.report(ProjectChanged(organization=organization, project="late", state="Active", version=1))
    finals = await asyncio.gather(*handles)
    assert {final.outcome for final in finals} == {"Applied"}
    assert {final.completed.fingerprint for final in finals} == {answer.completed.fingerprint}


async def test_a_dry_run_tells_what_would_happen_and_claims_nothing(publisher: Publisher) -> None:
    organization = new_organization()
    await set_up(publisher, organization, "main", "spare", projects=("web",))
    rebind = bind(organization, "web", "spare")
    rehearsed = await publisher.send(rebind, id="rebind", dry_run=True)
    assert (rehearsed.outcome, rehearsed.completed.dry_run, rehearsed.is_final) == ("Applied", True, True)
    later = bind(organization, "web", "spare", effective_at=datetime.now(UTC) + timedelta(days=1))
    assert (await publisher.send(later, dry_run=True)).is_final
    done = await publisher.send(rebind, id="rebind")
    assert (done.outcome, done.completed.dry_run) == ("Applied", False)
    assert done.completed.fingerprint == rehearsed.completed.fingerprint


async def test_many_at_a_time_each_get_their_own(publisher: Publisher) -> None:
    organization = new_organization()
    await set_up(publisher, organization, "main", "spare", projects=("web", "api"))
    commands = [bind(organization, ("web", "api")[n % 2], ("main", "spare", "none")[n % 3]) for n in range(300)]
    answers = await asyncio.gather(*(publisher.send(command, id=f"c{n}") for n, command in enumerate(commands)))
    assert [answer.command_id for answer in answers] == [f"c{number}" for number in range(300)]
    for command, answer in zip(commands, answers, strict=True):
        assert answer.completed.project == command.project
        assert (answer.outcome == "Rejected") == (command.account == "none")


async def test_sending_under_the_same_id_takes_effect_once_and_is_answered_again(publisher: Publisher) -> None:
    organization = new_organization()
    first = await publisher.send(CreateAccount(organization=organization, account="main"), id="create")
    second = await publisher.send(CreateAccount(organization=organization, account="main"), id="create")
    assert (first.outcome, first.completed.repeated) == ("Applied", False)
    assert (second.outcome, second.completed.repeated) == ("Applied", True)


async def test_each_of_two_contents_under_one_id_gets_the_result_of_its_own(
    publisher: Publisher, connection: Connection
) -> None:
    organization = new_organization()
    async with Publisher(connection, "/tests", person="bob", wait_seconds=60) as other:
        one, two = await asyncio.gather(
            publisher.send(CreateAccount(organization=organization, account="one"), id="same"),
            other.send(CreateAccount(organization=organization, account="two"), id="same"),
        )
    assert (one.completed.account, two.completed.account) == ("one", "two")
    assert one.completed.fingerprint != two.completed.fingerprint
    assert {one.outcome, two.outcome} == {"Applied", "Rejected"}
    reused = two if two.outcome == "Rejected" else one
    assert [violation.reason for violation in reused.completed.violations] == ["CommandIdReused"]


async def test_the_final_result_of_another_content_is_not_taken_for_ones_own(
    publisher: Publisher, connection: Connection
) -> None:
    organization = new_organization()
    await set_up(publisher, organization, "main")
    mine = await publisher.send(bind(organization, "late", "main", wait_seconds=600), id="same")
    async with Publisher(connection, "/tests", person="bob", wait_seconds=60) as other:
        foreign = await other.send(bind(organization, "other", "main"), id="same")
    assert foreign.outcome == "Rejected"
    with pytest.raises(NotAnswered):
        await mine.final(0.01)
    await publisher.report(ProjectChanged(organization=organization, project="late", state="Active", version=1))
    assert (await mine.final(60)).outcome == "Applied"


async def test_when_the_time_is_up_the_id_is_kept(quiet_installation: Installation) -> None:
    installation, organization = quiet_installation, new_organization()
    create = CreateAccount(organization=organization, account="main")
    async with Publisher(connection_to(installation), "/tests", person="alice") as publisher:
        with pytest.raises(NotAnswered, match="may have been carried out") as unanswered:
            await publisher.send(create, wait_seconds=0.5)
        error = unanswered.value
        assert (error.organization, error.source, error.is_written) == (organization, "/tests", True)
        assert error.command_id in str(error)
    # A publisher that comes later missed the result, and is told it again.
    await installation.start()
    async with Publisher(connection_to(installation), "/tests", person="alice", wait_seconds=60) as publisher:
        answer = await publisher.send(create, id=error.command_id)
        assert answer.outcome == "Applied"
        again = await publisher.send(create)
        assert [violation.reason for violation in again.completed.violations] == ["AccountExists"]


async def test_whatever_is_killed_each_command_takes_effect_once(quiet_installation: Installation) -> None:
    installation, organization = quiet_installation, new_organization()
    worker = await installation.start()
    async with Publisher(connection_to(installation), "/tests", person="alice", wait_seconds=120) as publisher:
        await set_up(publisher, organization, "main", "spare", projects=("web",))
        sending = [
            asyncio.create_task(publisher.send(bind(organization, "web", ("spare", "main")[number % 2])))
            for number in range(200)
        ]
        await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        await worker.kill()
        await installation.start(WHOPAYS_RELAY_LEASE_SECONDS="2")
        answers = await asyncio.gather(*sending)
    assert {answer.outcome for answer in answers} == {"Applied"}
    changes = [one for one in await published(installation) if one.topic == "bindings"]
    assert len(changes) == 201
    assert {change.event["causationid"] for change in changes[1:]} <= {answer.command_id for answer in answers}


async def test_what_is_passed_on_comes_back(publisher: Publisher) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await publisher.send(
        CreateAccount(organization=new_organization(), account="main"), correlation_id="order-7", trace_parent=trace
    )
    assert (answer.heard.correlation_id, answer.heard.trace_parent) == ("order-7", trace)
    expired = await publisher.send(
        CreateAccount(organization=new_organization(), account="main"), expires_at=datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert [violation.reason for violation in expired.completed.violations] == ["Expired"]


async def test_each_message_carries_its_token_and_nothing_shows_it(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    async def token() -> str:
        asked.append(uuid4().hex)
        return asked[-1]

    organization = new_organization()
    async with Publisher(connection, "/tests", person="alice", token=token, wait_seconds=60) as publisher:
        for name in ("one", "two"):
            await publisher.send(CreateAccount(organization=organization, account=name))
        await publisher.send(CreateAccount(organization=organization, account="three"), token="of-this-one")
        await publisher.report(ProjectChanged(organization=organization, project="web", state="Active", version=1))
    headers = await _headers_of(connection, organization)
    assert headers == [f"Bearer {one}".encode() for one in (*asked, "of-this-one")]
    assert len(set(asked)) == 2
    assert all(one not in caplog.text for one in asked)


async def test_what_whopays_would_not_read_is_not_sent(publisher: Publisher) -> None:
    contact = Contact(name="x" * 300_000, emails=("ada@example.org",))
    with pytest.raises(TooLarge):
        await publisher.send(UpdateAccount(organization="acme", account="main", contact=contact))


async def test_topics_that_are_missing_are_named_and_not_created(connection: Connection) -> None:
    elsewhere = Connection(connection.bootstrap_servers, "nowhere.")
    fact = ProjectChanged(organization="acme", project="web", state="Active", version=1)
    async with Publisher(elsewhere, "/tests") as publisher:
        for _ in range(2):
            with pytest.raises(TopicMissing, match=r"nowhere\.admin-commands"):
                await publisher.send(CreateAccount(organization="acme", account="main"))
            with pytest.raises(TopicMissing, match=r"nowhere\.projects"):
                await publisher.report(fact)
        assert publisher.waiting == 0


async def test_a_fact_that_nobody_acknowledges_is_told(publisher: Publisher) -> None:
    fact = ProjectChanged(organization=new_organization(), project="web", state="Active", version=1)
    with pytest.raises(NotAcknowledged):
        await publisher.report(fact, wait_seconds=0)
    place = await publisher.report(fact, id="f1")
    assert (place.fact_id, place.topic.endswith("projects")) == ("f1", True)


async def test_who_drops_an_interim_answer_leaves_nothing_behind(publisher: Publisher) -> None:
    organization = new_organization()
    await set_up(publisher, organization, "main")
    answer = await publisher.send(bind(organization, "never", "main", wait_seconds=600))
    del answer
    gc.collect()
    await publisher.send(CreateAccount(organization=organization, account="other"))
    gc.collect()
    assert publisher.waiting == 0


async def _headers_of(connection: Connection, organization: str) -> list[bytes]:
    """Return the tokens of an organization's commands, in order."""
    topic = connection.topic("admin-commands")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=connection.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        partitions = [TopicPartition(topic, number) for number in range(3)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [record for record in records if record.key == organization.encode()]
    finally:
        await consumer.stop()
    return [value for record in found for name, value in record.headers if name == "authorization"]
