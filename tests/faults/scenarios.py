"""What befalls a whopays, mutant or not, and what is found wrong afterwards: nothing, unless it is a mutant."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from schemas.topics import Topic
from tests.faults import failpoints
from tests.faults.checking import faults_in, verdict
from tests.faults.judge import is_published
from tests.faults.load import Load
from tests.faults.matrix import FAILING_WORKER, give_up_for_dead, note_faulty
from tests.faults.moving import ends, move_groups, partitions
from tests.faults.mutants import MUTANT_VARIABLE
from tests.faults.own_servers import own_servers
from tests.faults.points import CONSUMERS, RELAY
from tests.faults.progress import SMALL
from tests.installations import Installation, Worker
from tests.kafka import all_consumed
from tests.messages import Said, account, bind, command, profile, project
from tests.proxies.kafka import ApiKey
from tests.proxies.ways import ways_of
from tests.waiting import until
from workers.roles import Role

_PATIENCE_SECONDS = 30.0
"""A mutant that does not come to rest in this time has other things wrong with it that show."""
_PROJECTS = 6
_WAIT_SECONDS = 10
_KILLS = 3
_LONG_SECONDS = 120
_OTHERS = (Role.RELAY, Role.TIMERS)
_IS_WAITING = """
SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@dataclass
class Stage:
    """An installation of which no process runs yet; what is started on it is the mutant, if there is one."""

    installation: Installation
    mutant: str | None
    load: Load = field(init=False)

    def __post_init__(self) -> None:
        self.load = Load(self.installation)

    async def start(
        self, *roles: Role, plan: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None
    ) -> Worker:
        """Start a process, with something planned at some failpoints."""
        mutant = {} if self.mutant is None else {MUTANT_VARIABLE: self.mutant}
        variables = {**failpoints.environment(plan or {}), **mutant, **(settings or {})}
        return await self.installation.start(*roles, module=FAILING_WORKER, **variables)

    async def begin(self) -> None:
        """Say what all the rest builds upon: six projects for which the first of three accounts pays."""
        await self.load.say(profile("acme"), *(account("acme", name) for name in "abc"))
        await self.load.say(*(project("acme", f"p{number}") for number in range(_PROJECTS)))
        await self.bind("first", "a")

    async def bind(self, name: str, payer: str) -> None:
        """Say that an account is to pay for all projects, in commands whose ids begin with a name."""
        numbers = range(_PROJECTS)
        # A project may be heard of later than its payer.
        await self.load.say(*(bind("acme", f"p{n}", payer, f"{name}-{n}", waitSeconds=_WAIT_SECONDS) for n in numbers))

    async def begun(self) -> None:
        """Run a whole whopays over the beginning, no mutant yet, and stop it."""
        worker = await self.installation.start()
        await self.begin()
        await all_consumed(self.installation)
        assert await worker.stop() == 0

    async def goes_wrong_after(self) -> list[str]:
        """Say more, and give what is wrong in the end; a whole whopays must be running."""
        await self.bind("after", "c")
        wrong = await verdict(self.load, _PATIENCE_SECONDS if self.mutant else 120)
        await self.load.close()
        return wrong


Scenario = Callable[[Stage], Awaitable[list[str]]]


async def _payers_change(stage: Stage) -> list[str]:
    """Nothing is broken."""
    await stage.start()
    await stage.begin()
    await all_consumed(stage.installation)
    return await stage.goes_wrong_after()


async def _read_again(stage: Stage) -> list[str]:
    """Offsets go back to the beginning, as after a kill between commit and acknowledgement, for all that was read."""
    worker = await stage.start()
    await stage.begin()
    unclaimed = command("SuspendAccount", "tried", "acme", account="a", reason="Administrative", dryRun=True)
    await all_consumed(stage.installation)
    reused = bind("acme", "p0", "b", "first-0")
    await stage.load.say(unclaimed, reused, Said(Topic.PROJECTS, b"acme", b"poison"))
    await all_consumed(stage.installation)
    assert await worker.stop() == 0
    back = {role: dict.fromkeys(partitions(stage.installation, role), 0) for role in CONSUMERS}
    await move_groups(stage.installation, back)
    await stage.start()
    return await stage.goes_wrong_after()


def _killed_at(roles: tuple[Role, ...], point: str, *, are_offsets_moved: bool = False) -> Scenario:
    """Give the scenario in which a process is killed at a point, once there is something to lose."""

    async def killed(stage: Stage) -> list[str]:
        await stage.begun()
        if roles == RELAY:
            await stage.start(*CONSUMERS, Role.TIMERS)
        worker = await stage.start(*roles, plan={point: failpoints.KILL})
        await stage.bind("behind", "b")
        await worker.process.wait()
        await give_up_for_dead(stage.installation, roles)
        if are_offsets_moved:
            await move_groups(stage.installation, {role: await ends(stage.installation, role) for role in CONSUMERS})
        await stage.start()
        return await stage.goes_wrong_after()

    return killed


async def _stopped_in_an_outage(stage: Stage) -> list[str]:
    """The process is told to stop while the database is away."""
    await stage.begun()
    worker = await stage.start(*CONSUMERS, plan={"batch.Batches._transaction: store before": failpoints.ERRORS})
    await stage.bind("behind", "b")
    await worker.logged("batch_retried")
    await worker.stop()
    await stage.start()
    return await stage.goes_wrong_after()


async def _error_in_the_first_batch(stage: Stage) -> list[str]:
    """One batch is held up for a moment, others of its partition wait."""
    await stage.begun()
    for number in range(8):
        await stage.bind(f"behind-{number}", "abc"[number % 3])
    plan = {"batch.Batches._transaction: store before": failpoints.ERROR}
    await stage.start(plan=plan, settings={"WHOPAYS_BATCH_MAX_RECORDS": "4"})
    return await stage.goes_wrong_after()


async def _zombie_in_its_transaction(stage: Stage) -> list[str]:
    """A worker stands still before it decides; its successor does the same work; then it goes on."""
    await stage.begun()
    point = "batch.Batches._transaction: load after"
    zombie = await stage.start(*CONSUMERS, plan={point: failpoints.STOP})
    # No command: its id would be claimed already.
    await stage.load.say(*(project("acme", f"p{number}", 2, state="Deleted") for number in range(3)))
    await zombie.logged(failpoints.reached(point))
    await give_up_for_dead(stage.installation, CONSUMERS)
    await stage.start()
    await until(lambda: _waits_or_has_done(stage.installation), "the successor")
    zombie.process.send_signal(signal.SIGCONT)
    return await stage.goes_wrong_after()


async def _others_write_in_between(stage: Stage) -> list[str]:
    """Consumers, and timers in another process, take turns with the same projects."""
    await stage.start(*CONSUMERS)
    await stage.start(*_OTHERS)
    await stage.begin()
    await all_consumed(stage.installation)
    await stage.load.say(bind("acme", "p0", "b", "scheduled", effectiveAt=_in_seconds(2)))
    await until(lambda: _payer_is(stage.installation, "p0", "b"), "the scheduled payer")
    return await stage.goes_wrong_after()


async def _error_as_of_a_bug(stage: Stage) -> list[str]:
    """The handling of one record fails, by itself in its batch."""
    await stage.begun()
    plan = {"batch.Batches._transaction: load before": failpoints.FAULT}
    worker = await stage.start(plan=plan, settings={"WHOPAYS_BATCH_MAX_RECORDS": "1"})
    await stage.load.say(project("acme", "p0", 2, displayName="Lab"))
    await worker.logged("batch_faulty")
    await stage.load.say(project("acme", "p0", 3, displayName="Studio"))
    await until(lambda: _is_kept_or_over(stage.installation, worker), "the records")
    await note_faulty(stage.load)
    return await stage.goes_wrong_after()


async def _timers_come_late(stage: Stage) -> list[str]:
    """Timers stand still with what they found due, and meanwhile it is due no more."""
    await stage.start(*CONSUMERS, Role.RELAY)
    await stage.begin()
    await all_consumed(stage.installation)
    before, after = (f"timers.Timers._work: _batches.settle_due {place}" for place in ("before", "after"))
    timers = await stage.start(Role.TIMERS, plan={before: failpoints.STOP, after: failpoints.TELL})
    await stage.load.say(bind("acme", "p0", "b", "now-due", effectiveAt=_in_seconds(2)))
    await timers.logged(failpoints.reached(before))
    await stage.load.say(bind("acme", "p0", "c", "not-yet-due", effectiveAt=_in_seconds(12)))
    await all_consumed(stage.installation)
    timers.process.send_signal(signal.SIGCONT)
    await timers.logged(failpoints.reached(after))
    return await stage.goes_wrong_after()


async def _slow_transaction(stage: Stage) -> list[str]:
    """Timers stand still in their transaction while consumers have others of the same shard."""
    await stage.begun()
    async with stage.installation.engine.begin() as connection:
        await connection.execute(text("CREATE SEQUENCE ids"))  # for the mutant that has one
    await stage.start(*CONSUMERS, Role.RELAY)
    point = "batch.Batches._transaction: load after"
    slow = await stage.start(Role.TIMERS, plan={point: failpoints.STOP})
    await stage.load.say(bind("acme", "p0", "b", "slow", effectiveAt=_in_seconds(2)))
    await slow.logged(failpoints.reached(point))
    await stage.load.say(bind("acme", "p1", "b", "behind"))
    await until(lambda: _waits_or_is_published(stage), "the consumers")
    slow.process.send_signal(signal.SIGCONT)
    return await stage.goes_wrong_after()


async def _end_of_a_transaction_unanswered(stage: Stage) -> list[str]:
    async with ways_of(stage.installation) as ways:
        await stage.start(*CONSUMERS, Role.TIMERS)
        relay = await stage.start(Role.RELAY, settings={**ways.environment, **SMALL})
        await stage.begin()
        await all_consumed(stage.installation)
        await until(lambda: is_published(stage.load), "the relay")
        swallowed = ways.kafka.swallow_answer(ApiKey.END_TXN)
        await stage.bind("behind", "b")
        await swallowed
        await relay.logged("relay_interrupted")
        return await stage.goes_wrong_after()


async def _zombie_relay(stage: Stage) -> list[str]:
    """A relay stands still before it commits; its successor publishes the same; then it goes on."""
    await stage.begun()
    await stage.start(*CONSUMERS, Role.TIMERS)
    before, after = (f"relay.Relay._transact: asyncio.shield {place}" for place in ("before", "after"))
    zombie = await stage.start(*RELAY, plan={before: failpoints.STOP})
    await stage.bind("behind", "b")
    await zombie.logged(failpoints.reached(before))
    await give_up_for_dead(stage.installation, RELAY)
    successor = await stage.start(*RELAY, plan={after: failpoints.TELL})
    await successor.logged(failpoints.reached(after))
    zombie.process.send_signal(signal.SIGCONT)
    return await stage.goes_wrong_after()


async def _end_of_a_transaction_comes_again(stage: Stage) -> list[str]:
    """The end of one transaction comes a second time while the next is half written."""
    rows = 16
    await stage.start(*CONSUMERS, Role.TIMERS)
    # Large enough for the batches of a transaction not to go out in one request.
    await stage.load.say(*[Said(Topic.PROJECTS, b"acme", b"x" * 70_000)] * (2 * rows))
    await all_consumed(stage.installation)
    async with ways_of(stage.installation) as ways:
        late = ways.kafka.hold_back(ApiKey.END_TXN)
        await stage.start(Role.RELAY, settings={**ways.environment, "WHOPAYS_RELAY_BATCH_ROWS": str(rows)})
        await late.caught.wait()
        second_half = ways.kafka.hold_back(ApiKey.PRODUCE, after=1)
        late.give_up()
        await second_half.caught.wait()
        await late.deliver()
        await second_half.deliver()
        await stage.begin()
        return await stage.goes_wrong_after()


async def _postgresql_is_killed(stage: Stage) -> list[str]:
    """All of PostgreSQL is killed right after something was published, three times; it is one of the scenario's own."""
    async with (
        own_servers(postgresql_settings={"wal_writer_delay": "10s"}) as own,
        own.installation() as installation,
    ):
        other = Stage(installation, stage.mutant)
        worker = await other.start()
        await other.begin()
        await all_consumed(installation)
        for number in range(_KILLS):
            await until(lambda: _is_published_or_over(other.load, worker), "the relay", _LONG_SECONDS)
            if worker.process.returncode is not None:
                break
            own.postgresql.kill()
            await own.postgresql.start_again()
            await other.bind(f"kill-{number}", "bc"[number % 2])
        return await other.goes_wrong_after()


async def _row_of_the_log_altered(stage: Stage) -> list[str]:
    """Here the relay is to end: what was altered must not be published."""
    await stage.start(*CONSUMERS, Role.TIMERS)
    await stage.begin()
    await all_consumed(stage.installation)
    async with stage.installation.engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE log SET value = replace(convert_from(value, 'UTF8'), '\"first-1\"', '\"first-x\"')::bytea"
                " WHERE topic = 'command-results'"
            )
        )
    relay = await stage.start(*RELAY)
    await until(lambda: _is_published_or_over(stage.load, relay), "the relay")
    await stage.load.close()
    return [] if "does not continue" in "".join(faults_in(stage.installation)) else ["an altered row was published"]


SCENARIOS: dict[str, Scenario] = {
    "payers change": _payers_change,
    "read again": _read_again,
    "killed before the commit": _killed_at(CONSUMERS, "batch.Batches._transaction: append after"),
    "killed before the commit, and offsets moved to the end": _killed_at(
        CONSUMERS, "batch.Batches._transaction: append after", are_offsets_moved=True
    ),
    "killed after the commit": _killed_at(CONSUMERS, "batch.Batches._transaction: _engine.begin left"),
    "stopped in an outage": _stopped_in_an_outage,
    "a slow transaction": _slow_transaction,
    "an error in the first of many batches": _error_in_the_first_batch,
    "a zombie in its transaction": _zombie_in_its_transaction,
    "others write in between": _others_write_in_between,
    "an error as of a bug": _error_as_of_a_bug,
    "timers come late": _timers_come_late,
    "the end of a transaction is not answered": _end_of_a_transaction_unanswered,
    "the relay killed after its commit": _killed_at(RELAY, "relay.Relay._transact: asyncio.shield after"),
    "the relay killed before its commit": _killed_at(RELAY, "relay.Relay._transact: asyncio.shield before"),
    "a zombie relay": _zombie_relay,
    "the end of a transaction comes again": _end_of_a_transaction_comes_again,
    "PostgreSQL is killed": _postgresql_is_killed,
    "a row of the log is altered": _row_of_the_log_altered,
}


def _in_seconds(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def _waits_or_has_done(installation: Installation) -> bool:
    done = "SELECT count(*) > 0 FROM projects WHERE state = 'Deleted'"
    return await _asked(installation, _IS_WAITING) or await _asked(installation, done)


async def _waits_or_is_published(stage: Stage) -> bool:
    if await _asked(stage.installation, _IS_WAITING):
        return True
    done = "SELECT count(*) > 0 FROM inbox WHERE command_id = 'behind'"
    return await _asked(stage.installation, done) and await is_published(stage.load)


async def _asked(installation: Installation, question: str) -> bool:
    async with installation.engine.connect() as connection:
        return bool((await connection.execute(text(question))).scalar_one())


async def _payer_is(installation: Installation, name: str, payer: str) -> bool:
    async with installation.engine.connect() as connection:
        paying = text("SELECT account FROM bindings WHERE project = :name AND ended_at IS NULL")
        return (await connection.execute(paying, {"name": name})).scalar_one_or_none() == payer


async def _is_kept_or_over(installation: Installation, worker: Worker) -> bool:
    async with installation.engine.connect() as connection:
        version = (await connection.execute(text("SELECT version FROM projects WHERE project = 'p0'"))).scalar_one()
    return version == 3 or worker.process.returncode is not None


async def _is_published_or_over(load: Load, worker: Worker) -> bool:
    return worker.process.returncode is not None or await is_published(load)
