"""What provokes each alert: something breaks in the block, and is mended at its end."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from time import time

from aiokafka import AIOKafkaProducer

from db.questions.payers import paying_account
from schemas.instants import format_instant
from schemas.topics import Topic
from tests.alerting.stage import Stage
from tests.faults import failpoints
from tests.faults.failpoints import ERRORS, FAULT, HANG
from tests.faults.matrix import FAILING_WORKER
from tests.faults.moving import delete_records
from tests.faults.mutating import PARTITION_VARIABLE
from tests.support.command_line import whopays_of
from tests.support.kafka import send
from tests.support.messages import Said, account, bind, command, profile, project
from tests.support.serving import serving
from tests.support.waiting import until
from workers.runtime.roles import Role

_STRANGER = {"https://other.example": {"audiences": ["whopays"], "jwks": "https://127.0.0.1:1/keys"}}
_PAYER = "/v1/organizations/acme/projects/web/payer"
_OLD_SECONDS = 200


@dataclass(frozen=True)
class Scene:
    """What happens, and which alerts must fire while it does, and rest once it is over."""

    alerts: tuple[str, ...]
    happens: Callable[[Stage], AbstractAsyncContextManager[None]]


async def begin(stage: Stage) -> None:
    """Send what the scenes build on: an account that pays for a project, and a second one."""
    await stage.say(
        profile("acme"), account("acme", "main"), account("acme", "lab"),
        project("acme", "web"), project("acme", "later"),
        bind("acme", "web", "main", "first", waitSeconds=30),
    )  # fmt: skip

    async def is_bound() -> bool:
        async with stage.installation.engine.connect() as connection:
            return await paying_account(connection, "acme", "web", datetime.now(UTC)) == "main"

    await until(is_bound, "that everything is at work", 120)


@asynccontextmanager
async def _nobody_audits(stage: Stage) -> AsyncIterator[None]:
    yield
    await stage.audit()


@asynccontextmanager
async def _a_broken_promise(stage: Stage) -> AsyncIterator[None]:
    """Somebody changes by hand who pays."""
    await _by_hand(stage, "UPDATE projects SET account = 'lab' WHERE (organization, project) = ('acme', 'web')")
    yield
    await _by_hand(stage, "UPDATE projects SET account = 'main' WHERE (organization, project) = ('acme', 'web')")


@asynccontextmanager
async def _bad_records(stage: Stage) -> AsyncIterator[None]:
    """A producer sends what is no JSON, and another keys by something else."""
    await stage.say(Said(Topic.PROJECTS, b"acme", b"{ no"), replace(project("acme", "odd"), key=b"globex"))
    yield


@asynccontextmanager
async def _strangers(stage: Stage) -> AsyncIterator[None]:
    """Commands come without tokens, keys cannot be read, and a producer leaves its transaction open."""

    async def knock(number: int) -> None:
        await send(stage.installation, [command("CloseAccount", f"knock-{number}", "acme", account="main")])

    producer = AIOKafkaProducer(
        bootstrap_servers=stage.installation.kafka_bootstrap_servers,
        transactional_id="left-open",
        transaction_timeout_ms=300_000,
    )
    issuers = stage.installation.settings.model_dump(mode="json", include={"issuers"})["issuers"]
    everybody = json.dumps(issuers | _STRANGER)
    try:
        await producer.start()
        await producer.begin_transaction()
        left = profile("globex")
        topic = stage.installation.settings.topic(left.topic)
        await producer.send_and_wait(topic, left.value, key=left.key, headers=list(left.headers))
        async with serving(stage.installation, WHOPAYS_ISSUERS=everybody) as server, _again_and_again(knock):
            stage.scrape(":".join(map(str, server.address)))
            yield
        await producer.abort_transaction()
    finally:
        await producer.stop()


@asynccontextmanager
async def _records_lost(stage: Stage) -> AsyncIterator[None]:
    """Retention is shorter than a night without consumers."""
    await stage.stop("consumers")
    await send(stage.installation, [project("acme", f"lost{number}") for number in range(5)])
    await delete_records(stage.installation, Role.PROJECTS)
    await stage.start("consumers")
    yield


@asynccontextmanager
async def _nobody_publishes(stage: Stage) -> AsyncIterator[None]:
    """The relay waits for the lease of one that nobody knows: of a copy of the database, say."""

    async def lease(_: int) -> None:
        await _by_hand(
            stage,
            "INSERT INTO relay_leases (slot, owner, expires_at) VALUES (0, 'another', clock_timestamp() + '30 s') "
            "ON CONFLICT (slot) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at",
        )

    await stage.stop("relay")
    async with _again_and_again(lease):
        await stage.start("relay")
        await stage.say(project("acme", "unpublished"))
        yield
    await _by_hand(stage, "DELETE FROM relay_leases")


@asynccontextmanager
async def _the_relay_begins_again(stage: Stage) -> AsyncIterator[None]:
    plan = {"producer.transact: producer.begin_transaction before": ERRORS}
    await stage.stop("relay")
    await stage.start("relay", FAILING_WORKER, **failpoints.environment(plan))
    yield
    await stage.stop("relay")
    await stage.start("relay")


@asynccontextmanager
async def _timers_hang_and_nobody_replays(stage: Stage) -> AsyncIterator[None]:
    await stage.stop("replays")
    await stage.stop("timers")
    hang = {"timers.Timers._wait: _stopping.wait before": {"timers.Timers._due: due before": HANG}}
    await stage.start("timers", FAILING_WORKER, **failpoints.environment(hang))
    due = format_instant(datetime.now(UTC) + timedelta(seconds=10))
    await stage.say(bind("acme", "later", "main", "due", effectiveAt=due))
    (await whopays_of(stage.installation)("replay", "start", "again", "--detach")).expect(0)
    yield
    await stage.stop("timers")
    await stage.start("timers")
    await stage.start("replays")


@asynccontextmanager
async def _a_shard_is_held(stage: Stage) -> AsyncIterator[None]:
    """Somebody has locked the shards and gone for lunch; what comes was written some time ago."""
    session = await stage.connect()
    try:
        await session.execute("BEGIN; SELECT FROM shards FOR UPDATE")
        await _say_old(stage)
        await stage.say(profile("acme", "another"), command("CloseAccount", "close", "acme", account="lab"))
        yield
    finally:
        await session.close()


@asynccontextmanager
async def _the_database_is_slow(stage: Stage) -> AsyncIterator[None]:
    """Everything is locked most of the time, by something that takes a second and a half each time.

    It locks in the order of batches: otherwise they and it would wait for each other.
    """

    async def lock(_: int) -> None:
        session = await stage.connect()
        try:
            await session.execute(
                "BEGIN; SELECT FROM shards ORDER BY shard FOR UPDATE; LOCK TABLE projects IN ACCESS EXCLUSIVE MODE;"
                "SELECT pg_sleep(1.5); ROLLBACK"
            )
        finally:
            await session.close()

    async def work(number: int) -> None:
        await stage.say(project("acme", "slow", number + 1))
        await stage.ask(_PAYER)

    async with _again_and_again(lock), _again_and_again(work):
        yield


@asynccontextmanager
async def _the_database_is_away(stage: Stage) -> AsyncIterator[None]:
    async def work(number: int) -> None:
        await stage.say(*(project(f"away-{n}", f"p{number}") for n in range(5)))
        await stage.ask(_PAYER)

    stage.servers.postgresql.kill()
    async with _again_and_again(work):
        yield
    await stage.servers.postgresql.start_again()


@asynccontextmanager
async def _a_bug(stage: Stage) -> AsyncIterator[None]:
    plan = {"transaction.Batches._transaction: load before": FAULT}
    await stage.stop("consumers")
    variables = {**failpoints.environment(plan), "WHOPAYS_BATCH_MAX_RECORDS": "1"}
    await stage.start("consumers", FAILING_WORKER, **variables)
    await stage.say(project("acme", "unlucky"))
    yield
    await stage.stop("consumers")
    await stage.start("consumers")


@asynccontextmanager
async def _an_archive_that_is_away(stage: Stage) -> AsyncIterator[None]:
    """A process to which partitions look small enough to be archived, where no folder can be made."""
    turns = [bind("acme", "web", ("lab", "main")[turn % 2], f"archived-{turn}", waitSeconds=30) for turn in range(4)]
    await stage.say(*turns)
    await stage.stop("maintenance")
    away = {"WHOPAYS_ARCHIVE_URL": "/proc/archive", "WHOPAYS_ARCHIVE_AFTER_DAYS": "0", PARTITION_VARIABLE: "2"}
    await stage.start("maintenance", FAILING_WORKER, WHOPAYS_MAINTENANCE_SECONDS="0.1", **away)
    yield
    await stage.stop("maintenance")
    await stage.start("maintenance")


@asynccontextmanager
async def _no_partition_can_be_made(stage: Stage) -> AsyncIterator[None]:
    """The role maintenance may not make tables, and the log's last partition is smaller than it should be."""
    attached = "ALTER TABLE log DETACH PARTITION log_p0; ALTER TABLE log ATTACH PARTITION log_p0 FOR VALUES FROM (0) TO"
    await stage.stop("maintenance")
    await _by_hand(stage, "DELETE FROM chores")
    await _by_hand(stage, f"DROP TABLE IF EXISTS log_p1; {attached} (400000)")
    await _by_hand(
        stage,
        """
        CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no more tables'; END $$;
        CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse();
        """,
    )
    await stage.start("maintenance")
    yield
    await _by_hand(stage, f"DROP EVENT TRIGGER refuse; DROP FUNCTION refuse; {attached} (1000000)")
    await stage.stop("maintenance")
    await stage.start("maintenance")


async def _say_old(stage: Stage) -> None:
    """Send facts that were written a while ago, as a mirror does that was away."""
    producer = AIOKafkaProducer(bootstrap_servers=stage.installation.kafka_bootstrap_servers)
    try:
        await producer.start()
        for number in range(50):
            said = project(f"old-{number}", "web")
            topic = stage.installation.settings.topic(said.topic)
            written = int(1000 * (time() - _OLD_SECONDS))
            await producer.send_and_wait(topic, said.value, key=said.key, timestamp_ms=written)
    finally:
        await producer.stop()


async def _by_hand(stage: Stage, statements: str) -> None:
    """Change the database as somebody does who knows better; no trigger objects."""
    session = await stage.connect()
    try:
        await session.execute(f"SET session_replication_role = replica; {statements}")
    finally:
        await session.close()


@asynccontextmanager
async def _again_and_again(happens: Callable[[int], Awaitable[None]]) -> AsyncIterator[None]:
    """Have something happen four times a second, or as often as it can, until the block ends; its errors with it."""

    ends = asyncio.Event()

    async def go_on() -> None:
        for number in count():
            await happens(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.25):
                    await ends.wait()
            if ends.is_set():
                return

    async with AsyncExitStack() as stack:
        going_on = asyncio.create_task(go_on())

        async def end() -> None:
            # Not cancelled: a client of Kafka that is being closed swallows that, and it would go on for ever.
            ends.set()
            await going_on

        stack.push_async_callback(end)
        yield


SCENES = (
    Scene(("WhopaysNobodyAudits",), _nobody_audits),
    Scene(("WhopaysPromiseBroken",), _a_broken_promise),
    Scene(("WhopaysDeadLetters", "WhopaysKeyMismatch"), _bad_records),
    Scene(("WhopaysSendersRefused", "WhopaysIssuerKeysUnread", "WhopaysTransactionLeftOpen"), _strangers),
    Scene(("WhopaysRecordsLost",), _records_lost),
    Scene(("WhopaysNoActiveRelay", "WhopaysEventsUnpublished", "WhopaysInstantsNotClosed"), _nobody_publishes),
    Scene(("WhopaysRelayInterrupted",), _the_relay_begins_again),
    Scene(
        ("WhopaysRoleSilent", "WhopaysRoleMissing", "WhopaysTimersOverdue", "WhopaysReplaysWaiting"),
        _timers_hang_and_nobody_replays,
    ),
    Scene(("WhopaysConsumerLagging", "WhopaysConsumerFarBehind", "WhopaysDatabasePoolExhausted"), _a_shard_is_held),
    Scene(("WhopaysBatchesSlow", "WhopaysQuestionsSlow"), _the_database_is_slow),
    Scene(("WhopaysBatchesRetried", "WhopaysQuestionsFail"), _the_database_is_away),
    Scene(("WhopaysHandlerFault",), _a_bug),
    Scene(("WhopaysArchivingFails",), _an_archive_that_is_away),
    Scene(("WhopaysMaintenanceStalled", "WhopaysLogNearlyFull"), _no_partition_can_be_made),
)
NOT_PROVOKED: dict[str, str] = {}
"""Alerts that cannot be provoked here, each with the reason."""
