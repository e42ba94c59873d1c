"""Connects to PostgreSQL: the only place that does, so that an address means the same everywhere."""

from collections.abc import Iterator
from typing import Any

import asyncpg

from db.address import DatabaseUnreachable, connect_arguments
from db.driver import Driver, read_instants

COMMAND_SECONDS = 90.0
INDEXES_ONLY = {"enable_hashjoin": "off", "enable_mergejoin": "off"}
"""Settings of sessions that look up a few thousand rows by key in ever-growing tables.

They need index lookups, not the scans that a planner may choose because it cannot estimate the length of an array.
"""
SESSION = {
    "timezone": "UTC",
    "statement_timeout": "45s",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
    # Only this limit ends a transaction whose client hangs in the middle of a statement.
    "transaction_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    **INDEXES_ONLY,
}
_INTERACTIVE = {"idle_in_transaction_session_timeout": "10min", "transaction_timeout": "0"}
_PREFER_STANDBY = "prefer-standby"


async def connect_to_ask(database_url: str) -> Driver:
    """Return a connection for interactive queries, whose reader may pause for long, as in a pager.

    Raises BadAddress, DatabaseUnreachable and the errors of asyncpg.
    """
    arguments = connect_arguments(database_url)
    arguments["server_settings"] |= SESSION | _INTERACTIVE
    connection = await connect(command_timeout=COMMAND_SECONDS, **arguments)
    await read_instants(connection)
    return connection


async def connect(**arguments: Any) -> Driver:
    """Return a connection to the first host that answers and is what `target_session_attrs` asks for.

    `arguments` are those of `db.address.connect_arguments`, and asyncpg's own. As in libpq, each of several hosts gets
    the full `connect_timeout`: asyncpg alone would spend it all on a first host that drops packets. A host that answers
    but rejects the client ends the search. Raises DatabaseUnreachable, and the errors of asyncpg.
    """
    troubles: list[tuple[str, Exception]] = []
    for where, attempt in attempts(arguments):
        try:
            return await asyncpg.connect(**attempt)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched) as error:
            troubles.append((where, error))
    _, first = troubles[0]
    if len(troubles) == 1 and not isinstance(first, OSError):
        raise first
    words = [_message_of(error) for _, error in troubles]
    if len(troubles) > 1:
        words = [f"{where}: {said}" for (where, _), said in zip(troubles, words, strict=True)]
    raise DatabaseUnreachable("; ".join(words)) from first


def attempts(arguments: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each host's label and asyncpg's arguments for it, in the order to try them."""
    hosts = arguments.get("host") or []
    if len(hosts) < 2:
        yield "", arguments
        return
    port = arguments.get("port", 5432)
    ports = port if isinstance(port, list) else [port] * len(hosts)
    wanted = arguments.get("target_session_attrs", "any")
    # With prefer-standby, try all hosts for a standby first, and then take any.
    for kind in ("standby", "any") if wanted == _PREFER_STANDBY else (wanted,):
        for host, number in zip(hosts, ports, strict=True):
            yield f"{host}:{number}", arguments | {"host": host, "port": number, "target_session_attrs": kind}


def _message_of(error: Exception) -> str:
    return str(error) or type(error).__name__
