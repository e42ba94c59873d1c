"""What is done to an installation, mutant or not; only with a mutant is anything found wrong afterwards."""

import signal

from sqlalchemy import text

from schemas.topics import Topic
from tests.faults import failpoints
from tests.faults.matrix import give_up_for_dead, note_faulty
from tests.faults.moving import ends, move_groups, partitions
from tests.faults.points import CONSUMERS, RELAY
from tests.faults.scenarios_of_archiving import ARCHIVING
from tests.faults.scenarios_of_publishing import PUBLISHING
from tests.faults.scenarios_of_questions import OF_QUESTIONS
from tests.faults.scenarios_of_reading_ahead import READING_AHEAD
from tests.faults.scenarios_of_redriving import OF_REDRIVING
from tests.faults.scenarios_of_replaying import REPLAYING
from tests.faults.scenarios_of_rights import OF_RIGHTS
from tests.faults.scenarios_of_slots import OF_SLOTS
from tests.faults.scenarios_of_watermarks import OF_WATERMARKS
from tests.faults.stage import (
    FORGETFUL,
    Scenario,
    Stage,
    in_seconds,
    is_kept_or_over,
    nothing_is_left,
    payer_is,
    waits_or_has_done,
    waits_or_is_published,
)
from tests.support.kafka import all_consumed
from tests.support.messages import Said, account, bind, command, project
from tests.support.waiting import until
from workers.runtime.roles import Role

_OTHERS = (Role.RELAY, Role.TIMERS)


async def _payers_change(stage: Stage) -> list[str]:
    """Nothing is broken; each project changes its payer twice within one batch."""
    await stage.begun()
    await stage.bind("then", "b")
    await stage.bind("again", "a")
    await stage.start()
    await all_consumed(stage.installation)
    return await stage.goes_wrong_after()


async def _approved_by_the_one_who_asked(stage: Stage) -> list[str]:
    """Nothing is broken; somebody tries to pass as somebody else."""
    await stage.start()
    await stage.begin()
    await stage.load.say(
        command("SuspendAccount", "hold", "acme", account="a", reason="Administrative"),
        command("RequestReactivation", "request", "acme", account="a", resolution="paid"),
        command("ApproveReactivation", "approve", "acme", account="a", ce_authid="ALICE"),
    )
    await all_consumed(stage.installation)
    return await stage.goes_wrong_after()


async def _read_again(stage: Stage) -> list[str]:
    """Offsets go back to the beginning, as if every record had been read by a process killed before acknowledging."""
    worker = await stage.start()
    await stage.begin()
    unclaimed = command("SuspendAccount", "tried", "acme", account="a", reason="Administrative", dryRun=True)
    await all_consumed(stage.installation)
    reused = bind("acme", "p0", "b", "first-0")
    new, repeated = bind("acme", "p1", "b", "asks", ce_answer="again"), account("acme", "a", ce_answer="again")
    nobody = account("acme", "a", ce_authid=None)
    await stage.load.say(unclaimed, reused, new, repeated, nobody, Said(Topic.PROJECTS, b"acme", b"poison"))
    await all_consumed(stage.installation)
    assert await worker.stop() == 0
    back = {role: dict.fromkeys(partitions(stage.installation, role), 0) for role in CONSUMERS}
    await move_groups(stage.installation, back)
    await stage.start()
    return await stage.goes_wrong_after()


async def _old_commands_forgotten(stage: Stage) -> list[str]:
    """What was answered is old at once; then all of it is sent again, and offsets go back to the beginning."""
    worker = await stage.start(settings=FORGETFUL)
    await stage.begin()
    tried = command("SuspendAccount", "tried", "acme", account="a", reason="Administrative", dryRun=True)
    await stage.load.say(tried, Said(Topic.PROJECTS, b"acme", b"poison"))
    await all_consumed(stage.installation)

    async def is_forgotten() -> bool:
        is_faulty = any("chore_failed" in line for line in worker.lines)
        return is_faulty or worker.process.returncode is not None or await nothing_is_left(stage.installation)

    await until(is_forgotten, "that the first commands are forgotten")
    await stage.bind("first", "a")
    await stage.load.say(bind("acme", "p0", "b", "first-0"), account("acme", "a", ce_answer="again"))
    await all_consumed(stage.installation)
    await worker.stop()
    back = {role: dict.fromkeys(partitions(stage.installation, role), 0) for role in CONSUMERS}
    await move_groups(stage.installation, back)
    await stage.start(settings=FORGETFUL)
    return await stage.goes_wrong_after()


def _killed_at(roles: tuple[Role, ...], point: str, *, are_offsets_moved: bool = False) -> Scenario:
    """Return the scenario in which a process is killed at a point, once there is something to lose."""

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
    worker = await stage.start(*CONSUMERS, plan={"transaction.Batches._transaction: store before": failpoints.ERRORS})
    await stage.bind("behind", "b")
    await worker.logged("batch_retried")
    await worker.stop()
    await stage.start()
    return await stage.goes_wrong_after()


async def _error_in_the_first_batch(stage: Stage) -> list[str]:
    """One batch is held up for a moment while others of its partition wait."""
    await stage.begun()
    for number in range(8):
        await stage.bind(f"behind-{number}", "abc"[number % 3])
    plan = {"transaction.Batches._transaction: store before": failpoints.ERROR}
    await stage.start(plan=plan, settings={"WHOPAYS_BATCH_MAX_RECORDS": "4"})
    return await stage.goes_wrong_after()


async def _zombie_in_its_transaction(stage: Stage) -> list[str]:
    """A worker hangs before it decides; its successor does the same work; then it carries on."""
    await stage.begun()
    point = "transaction.Batches._transaction: load after"
    zombie = await stage.start(*CONSUMERS, plan={point: failpoints.STOP})
    # No command: its id would be claimed already.
    await stage.load.say(*(project("acme", f"p{number}", 2, state="Deleted") for number in range(3)))
    await zombie.logged(failpoints.reached(point))
    await give_up_for_dead(stage.installation, CONSUMERS)
    await stage.start()
    await until(lambda: waits_or_has_done(stage.installation), "the successor")
    zombie.process.send_signal(signal.SIGCONT)
    return await stage.goes_wrong_after()


async def _others_write_in_between(stage: Stage) -> list[str]:
    """Consumers, and timers in another process, take turns with the same projects."""
    await stage.start(*CONSUMERS)
    await stage.start(*_OTHERS)
    await stage.begin()
    await all_consumed(stage.installation)
    await stage.load.say(bind("acme", "p0", "b", "scheduled", effectiveAt=in_seconds(2)))
    await until(lambda: payer_is(stage.installation, "p0", "b"), "the scheduled payer")
    return await stage.goes_wrong_after()


async def _error_as_of_a_bug(stage: Stage) -> list[str]:
    """The handling of one record fails, also alone in its batch."""
    await stage.begun()
    plan = {"transaction.Batches._transaction: load before": failpoints.FAULT}
    worker = await stage.start(plan=plan, settings={"WHOPAYS_BATCH_MAX_RECORDS": "1"})
    await stage.load.say(project("acme", "p0", 2, displayName="Lab"))
    await worker.logged("batch_faulty")
    await stage.load.say(project("acme", "p0", 3, displayName="Studio"))
    await until(lambda: is_kept_or_over(stage.installation, worker), "the records")
    await note_faulty(stage.load)
    return await stage.goes_wrong_after()


async def _timers_come_late(stage: Stage) -> list[str]:
    """Timers hang with what they found due, and meanwhile it is no longer due."""
    await stage.start(*CONSUMERS, Role.RELAY)
    await stage.begin()
    await all_consumed(stage.installation)
    before, after = (f"timers.Timers._work: _batches.process_due {place}" for place in ("before", "after"))
    timers = await stage.start(Role.TIMERS, plan={before: failpoints.STOP, after: failpoints.TELL})
    await stage.load.say(bind("acme", "p0", "b", "now-due", effectiveAt=in_seconds(2)))
    await timers.logged(failpoints.reached(before))
    await stage.load.say(bind("acme", "p0", "c", "not-yet-due", effectiveAt=in_seconds(12)))
    await all_consumed(stage.installation)
    timers.process.send_signal(signal.SIGCONT)
    await timers.logged(failpoints.reached(after))
    return await stage.goes_wrong_after()


async def _slow_transaction(stage: Stage) -> list[str]:
    """Timers hang in their transaction while consumers have others on the same shard."""
    await stage.begun()
    async with stage.installation.engine.begin() as connection:
        await connection.execute(text("CREATE SEQUENCE ids"))  # for the mutant that has one
    await stage.start(*CONSUMERS, Role.RELAY)
    point = "transaction.Batches._transaction: load after"
    slow = await stage.start(Role.TIMERS, plan={point: failpoints.STOP})
    await stage.load.say(bind("acme", "p0", "b", "slow", effectiveAt=in_seconds(2)))
    await slow.logged(failpoints.reached(point))
    await stage.load.say(bind("acme", "p1", "b", "behind"))
    await until(lambda: waits_or_is_published(stage), "the consumers")
    slow.process.send_signal(signal.SIGCONT)
    return await stage.goes_wrong_after()


SCENARIOS: dict[str, Scenario] = {
    "payers change": _payers_change,
    "approved by the one who asked": _approved_by_the_one_who_asked,
    "read again": _read_again,
    "killed before the commit": _killed_at(CONSUMERS, "transaction.Batches._transaction: append after"),
    "killed before the commit, and offsets moved to the end": _killed_at(
        CONSUMERS, "transaction.Batches._transaction: append after", are_offsets_moved=True
    ),
    "old commands forgotten, and sent again": _old_commands_forgotten,
    "killed after the commit": _killed_at(CONSUMERS, "transaction.Batches._transaction: begun left"),
    "stopped in an outage": _stopped_in_an_outage,
    "a slow transaction": _slow_transaction,
    "an error in the first of many batches": _error_in_the_first_batch,
    "a zombie in its transaction": _zombie_in_its_transaction,
    "others write in between": _others_write_in_between,
    "an error as of a bug": _error_as_of_a_bug,
    "timers come late": _timers_come_late,
    "the relay killed after its commit": _killed_at(RELAY, "producer.transact: asyncio.shield after"),
    "the relay killed before its commit": _killed_at(RELAY, "producer.transact: asyncio.shield before"),
    **READING_AHEAD,
    **PUBLISHING,
    **OF_SLOTS,
    **OF_WATERMARKS,
    **REPLAYING,
    **ARCHIVING,
    **OF_REDRIVING,
    **OF_QUESTIONS,
    **OF_RIGHTS,
}
