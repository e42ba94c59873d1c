"""What a database error means for the work in progress."""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# Classes of SQLSTATE (PostgreSQL manual, appendix A) that are retryable: connection, authorization while passwords
# change, database being restored, rollback, resources, operator intervention, lock not available.
_TRANSIENT_CLASSES = frozenset({"08", "28", "3D", "40", "53", "55", "57", "58"})
_TRANSIENT_STATES = frozenset({"25006", "25P03", "25P04"})
_WRONG_SCHEMA_CLASS = "42"
_LOCK_REFUSED = frozenset({"55P03", "40P01"})
_NOT_ALLOWED = frozenset({"42501", "25006"})
# A table was altered after the statement was prepared; the next attempt prepares it again.
_OUTDATED = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
# "Another operation is in progress": asyncpg's error when the server ended a session between two reads of a cursor.
_ENDED = asyncpg.InternalClientError


def is_transient(error: BaseException) -> bool:
    """Return whether the same work may succeed later: the database is unreachable, busy or full, or aborted it."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = _cause(error)
    if isinstance(cause, (*_OUTDATED, _ENDED)):
        return True
    state = _sqlstate(error)
    if state is not None:
        return state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES
    # asyncpg also reports a value of the wrong type as an interface error; retrying does not help there.
    is_interface = isinstance(cause, asyncpg.InterfaceError) and not isinstance(cause, ValueError)
    return is_interface or isinstance(cause, OSError | TimeoutError | PoolTimeoutError)


def is_wrong_schema(error: BaseException) -> bool:
    """Return whether the tables are of another version, so that no work can succeed."""
    state = _sqlstate(error)
    return state is not None and state[:2] == _WRONG_SCHEMA_CLASS


def is_lock_refused(error: BaseException) -> bool:
    """Return whether a lock was not granted in time, or not without a deadlock."""
    return _sqlstate(error) in _LOCK_REFUSED


def is_not_allowed(error: BaseException) -> bool:
    """Return whether the session cannot write: its role lacks the privilege, or its server is a standby."""
    return _sqlstate(error) in _NOT_ALLOWED


def brief(error: BaseException) -> str:
    """Return an error's class name, and SQLSTATE if any, without its text, which may quote what was sent."""
    name, state = type(_cause(error)).__name__, _sqlstate(error)
    return name if state is None else f"{name} {state}"


def _cause(error: BaseException) -> BaseException:
    """Return asyncpg's original error, which SQLAlchemy wraps twice."""
    adapted = error.orig if isinstance(error, DBAPIError) else None
    return error if adapted is None else adapted.__cause__ or adapted


def _sqlstate(error: BaseException) -> str | None:
    state = getattr(_cause(error), "sqlstate", None)
    return state if isinstance(state, str) else None
