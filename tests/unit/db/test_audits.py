"""Whether the verdict of an audit is kept: not by whoever may only read, and any other error is passed on."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from db.audits import Begun, keep_audit

_BEGUN = Begun(datetime(2027, 1, 31, tzinfo=UTC), 7)


class _Engine:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def begin(self) -> Any:
        raise DBAPIError("INSERT", None, self._error)


async def test_whoever_may_only_read_keeps_nothing() -> None:
    for error in (asyncpg.ReadOnlySQLTransactionError("x"), asyncpg.InsufficientPrivilegeError("x")):
        engine: Any = _Engine(error)
        assert not await keep_audit(engine, _BEGUN, {"log": 0})


async def test_another_error_is_passed_on() -> None:
    engine: Any = _Engine(asyncpg.UndefinedTableError("x"))
    with pytest.raises(DBAPIError):
        await keep_audit(engine, _BEGUN, {"log": 0})
