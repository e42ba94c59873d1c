"""What a batch adds to the metrics once it is committed."""

import time
from dataclasses import replace
from functools import partial

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.facts import ProjectChanged
from schemas.parsing import read_command, read_fact
from schemas.policy import OperatorPolicy
from tests.support.batches import batches, records
from tests.support.messages import command, project
from workers.runtime.metric import Step
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.steps import StepClock, begun

_READ_PROJECT = partial(read_fact, model=ProjectChanged, max_value_bytes=1_000_000)
_READ_COMMAND = partial(read_command, max_value_bytes=1_000_000, policy=OperatorPolicy())


async def test_a_batch_of_facts(engine: AsyncEngine) -> None:
    metrics = Metrics()
    told = project("acme", "web")
    before = time.monotonic()
    await batches(engine, metrics=metrics).process(
        Role.PROJECTS,
        records(told, told, replace(told, key=b"web"), replace(told, key=None), replace(told, value=b"?")),
        _READ_PROJECT,
    )
    elapsed = time.monotonic() - before
    value = metrics.registry.get_sample_value
    assert value("whopays_batch_seconds_count", {"role": Role.PROJECTS}) == 1
    seconds = value("whopays_batch_seconds_sum", {"role": Role.PROJECTS})
    assert seconds is not None
    assert 0 < seconds <= elapsed
    assert value("whopays_facts_stale_total") == 3
    assert value("whopays_key_mismatch_total") == 2, "a record that cannot be read has no organization"
    assert value("whopays_dead_letters_total", {"reason": "Undecodable"}) == 1


async def test_a_batch_of_commands(engine: AsyncEngine) -> None:
    metrics = Metrics()
    create = command("CreateAccount", "c1", "acme", account="main")
    await batches(engine, metrics=metrics).process(
        Role.ADMIN_COMMANDS,
        records(create, create, command("CreateAccount", "c2", "acme", account="main")),
        _READ_COMMAND,
    )
    value = metrics.registry.get_sample_value
    assert value("whopays_commands_total", {"type": "CreateAccount", "outcome": "Applied"}) == 1
    assert value("whopays_commands_total", {"type": "CreateAccount", "outcome": "Rejected"}) == 1
    assert value("whopays_commands_rejected_total", {"type": "CreateAccount", "reason": "AccountExists"}) == 1
    assert value("whopays_commands_repeated_total") == 1
    assert value("whopays_batch_seconds_count", {"role": Role.ADMIN_COMMANDS}) == 1
    assert value("whopays_batch_seconds_count", {"role": Role.PROJECTS}) == 0


_COMMIT_SECONDS = 0.05
_SLOW_COMMIT = (
    "CREATE TEMPORARY TABLE told (number int)",
    f"""
    CREATE FUNCTION pg_temp.wait() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_sleep({_COMMIT_SECONDS}); RETURN NULL; END'
    """,
    """
    CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON told DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION pg_temp.wait()
    """,
    "INSERT INTO told VALUES (1)",
)


async def test_what_a_commit_takes_is_a_step(engine: AsyncEngine) -> None:
    clock = StepClock()
    async with begun(engine, clock) as connection:
        for statement in _SLOW_COMMIT:
            await connection.execute(text(statement))
    assert clock.take()[Step.COMMIT] >= _COMMIT_SECONDS
