"""What errors of the database mean, and what they are called in log lines and details."""

from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from db.errors import brief, is_lock_refused, is_not_allowed, is_transient, is_wrong_schema


def _adapted(cause: BaseException, *, is_lost: bool = False) -> DBAPIError:
    """Return an error as SQLAlchemy wraps it."""
    adapted = Exception("adapted")
    adapted.__cause__ = cause
    return DBAPIError("SELECT", None, adapted, connection_invalidated=is_lost)


_WrongType = type("_WrongType", (asyncpg.InterfaceError, ValueError), {})
"""What asyncpg raises of a value that it cannot write."""
_ERRORS: dict[type[Exception], str] = {
    asyncpg.ConnectionDoesNotExistError: "transient",
    asyncpg.InvalidPasswordError: "transient",
    asyncpg.InvalidCatalogNameError: "transient",
    asyncpg.SerializationError: "transient",
    asyncpg.DeadlockDetectedError: "transient, lock refused",
    asyncpg.LockNotAvailableError: "transient, lock refused",
    asyncpg.DiskFullError: "transient",
    asyncpg.QueryCanceledError: "transient",
    asyncpg.IdleInTransactionSessionTimeoutError: "transient",
    asyncpg.ReadOnlySQLTransactionError: "transient, not allowed",
    asyncpg.NoActiveSQLTransactionError: "",
    asyncpg.InsufficientPrivilegeError: "wrong schema, not allowed",
    asyncpg.UndefinedTableError: "wrong schema",
    asyncpg.UniqueViolationError: "",
    asyncpg.DataError: "",
    asyncpg.InvalidCachedStatementError: "transient",
    asyncpg.InternalClientError: "transient",
    asyncpg.InterfaceError: "transient",
    _WrongType: "",
    KeyError: "",
    ConnectionResetError: "transient",
    TimeoutError: "transient",
    PoolTimeoutError: "transient",
    ValueError: "",
}
_MEANINGS = {
    "transient": is_transient, "wrong schema": is_wrong_schema, "lock refused": is_lock_refused,
    "not allowed": is_not_allowed,
}  # fmt: skip


@pytest.mark.parametrize("kind", _ERRORS, ids=lambda kind: kind.__name__)
def test_what_an_error_means_whether_or_not_it_is_wrapped(kind: type[Exception]) -> None:
    for error in (kind("secret"), _adapted(kind("secret"))):
        assert ", ".join(name for name, means in _MEANINGS.items() if means(error)) == _ERRORS[kind]
        assert brief(error).split()[0] == kind.__name__


def test_what_breaks_a_connection_is_transient_whatever_it_is() -> None:
    assert is_transient(_adapted(ValueError("secret"), is_lost=True))
    alone: Any = ValueError("secret")
    alone.connection_invalidated = True
    assert not is_transient(alone)
    assert brief(DBAPIError("SELECT", None, ValueError("secret"))) == "ValueError"


def test_an_error_is_named_as_postgresql_names_it_and_its_text_is_not_repeated() -> None:
    refused = asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT: secret")
    adapted = Exception("secret")
    adapted.__cause__ = refused
    for error in (refused, DBAPIError("INSERT secret", None, adapted)):
        assert brief(error) == "ReadOnlySQLTransactionError 25006"
    assert brief(ConnectionResetError("secret")) == "ConnectionResetError"
