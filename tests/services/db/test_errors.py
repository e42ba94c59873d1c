"""Which errors are transient: those that a real PostgreSQL gives, common ones and rare ones."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from db.driver import driver
from db.errors import is_transient, is_wrong_schema

_MOVE = text("UPDATE shards SET position = 1 WHERE shard = :shard")


async def _caught(work: Awaitable[object]) -> BaseException:
    try:
        await work
    except Exception as error:  # noqa: BLE001 (whatever it is, it is looked at)
        return error
    raise AssertionError("nothing was raised")


def _statement(sql: str) -> Callable[[AsyncConnection], Awaitable[object]]:
    return lambda connection: connection.execute(text(sql))


async def _terminated(connection: AsyncConnection) -> object:
    return await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


async def _terminated_before_copy(connection: AsyncConnection) -> object:
    await connection.execute(text("SELECT 1"))
    copying = await driver(connection)
    await _caught(copying.execute("SELECT pg_terminate_backend(pg_backend_pid())"))
    return await copying.copy_records_to_table("retired_uids", records=[("a", "b", "c")])


async def _wrong_type(connection: AsyncConnection) -> object:
    return await connection.execute(text("SELECT CAST(:number AS bigint)"), {"number": "no number"})


async def _wrong_type_in_copy(connection: AsyncConnection) -> object:
    await connection.execute(text("SELECT 1"))
    return await (await driver(connection)).copy_records_to_table("retired_uids", records=[(1, 2, 3)])


async def _busy(connection: AsyncConnection) -> object:
    sleeping = asyncio.create_task((await driver(connection)).execute("SELECT pg_sleep(0.2)"))
    await asyncio.sleep(0)
    try:
        return await connection.execute(text("SELECT 1"))
    finally:
        await sleeping


async def _outdated_statement(connection: AsyncConnection) -> object:
    await connection.execute(text("SELECT * FROM installation"))
    await connection.execute(text("ALTER TABLE installation ADD COLUMN more text"))
    return await connection.execute(text("SELECT * FROM installation"))


@pytest.mark.parametrize(
    ("work", "passes", "schema"),
    (
        (_terminated, True, False),
        (_terminated_before_copy, True, False),
        (_busy, True, False),
        (_outdated_statement, True, False),
        (_statement("SELECT 1 / 0"), False, False),
        (_statement("SELECT * FROM nothing"), False, True),
        (_statement("SELECT nothing FROM log"), False, True),
        (_statement("INSERT INTO log VALUES (1, 1, now(), NULL, NULL, 'v', 'h')"), False, False),
        (_statement("INSERT INTO shards VALUES (1)"), False, False),
        (_wrong_type, False, False),
        (_wrong_type_in_copy, False, False),
    ),
    ids=[
        "terminated", "terminated before copy", "busy", "outdated statement", "division", "no table",
        "no column", "null", "twice", "wrong type", "wrong type in copy",
    ],
)  # fmt: skip
async def test_errors_of_the_server(
    engine: AsyncEngine,
    work: Callable[[AsyncConnection], Awaitable[object]],
    passes: bool,
    schema: bool,
) -> None:
    async def run() -> None:
        async with engine.begin() as connection:
            await work(connection)

    error = await _caught(run())
    assert (is_transient(error), is_wrong_schema(error)) == (passes, schema), repr(error)


@pytest.mark.parametrize(
    ("before", "statement"),
    (
        ("SET LOCAL statement_timeout = 1", "SELECT pg_sleep(9)"),
        ("SET LOCAL transaction_read_only = on", "UPDATE shards SET position = 1"),
    ),
)
async def test_limits_and_read_only_servers_pass(engine: AsyncEngine, before: str, statement: str) -> None:
    async def run() -> None:
        async with engine.begin() as connection:
            await connection.execute(text(before))
            await connection.execute(text(statement))

    assert is_transient(await _caught(run()))


async def test_a_lock_that_is_not_got_passes(engine: AsyncEngine) -> None:
    async def run() -> None:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL lock_timeout = 1"))
            await connection.execute(text("UPDATE shards SET position = 1 WHERE shard = 1"))

    async with engine.begin() as other:
        await other.execute(text("UPDATE shards SET position = 1 WHERE shard = 1"))
        assert is_transient(await _caught(run()))


async def test_a_deadlock_passes(engine: AsyncEngine) -> None:
    both = asyncio.Barrier(2)

    async def run(first: int, second: int) -> None:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
            await connection.execute(_MOVE, {"shard": first})
            await both.wait()
            await connection.execute(_MOVE, {"shard": second})

    found = await asyncio.gather(run(1, 2), run(2, 1), return_exceptions=True)
    assert [is_transient(error) for error in found if error is not None] == [True]


async def test_servers_that_cannot_be_reached_pass(engine: AsyncEngine) -> None:
    for url in (
        engine.url.set(port=1),
        engine.url.set(host="nowhere.invalid"),
        engine.url.set(database="absent"),
        engine.url.set(password="wrong"),
    ):
        away = create_async_engine(url)
        assert is_transient(await _caught(away.connect().start())), url.render_as_string()
        await away.dispose()


async def test_a_full_pool_passes(engine: AsyncEngine) -> None:
    small = create_async_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    async with small.connect():
        assert is_transient(await _caught(small.connect().start()))
    await small.dispose()


@pytest.mark.parametrize(
    ("error", "passes"),
    (
        (asyncpg.DiskFullError("full"), True),
        (asyncpg.TooManyConnectionsError("many"), True),
        (asyncpg.SerializationError("again"), True),
        (asyncpg.CannotConnectNowError("starting"), True),
        (asyncpg.IdleInTransactionSessionTimeoutError("stopped"), True),
        (asyncpg.PostgresIOError("disk"), True),
        (asyncpg.ConnectionDoesNotExistError("gone"), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (PoolTimeoutError(), True),
        (asyncpg.DataError("wrong type"), False),
        (asyncpg.UniqueViolationError("twice"), False),
        (asyncpg.CheckViolationError("checked"), False),
        (asyncpg.ProgramLimitExceededError("large"), False),
        (asyncpg.CharacterNotInRepertoireError("NUL"), False),
        (ValueError(), False),
        (KeyError(), False),
    ),
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_that_are_hard_to_make(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


async def test_a_connection_that_cannot_begin_any_more_is_replaced(engine: AsyncEngine) -> None:
    """As after a cancelled BEGIN: asyncpg believes in a transaction of which the server knows nothing."""

    async def broken() -> int:
        async with engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None
            await raw.transaction().start()
            await raw.execute("ROLLBACK")
            return int(raw.get_server_pid())

    pid = await broken()
    async with engine.begin() as connection:
        assert (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one() != pid
