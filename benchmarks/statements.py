"""How many statements contenders send, counted by PostgreSQL itself.

The embedded PostgreSQL comes without pg_stat_statements, so that it writes each statement to its log, in a round of its
own that is not timed. Counted is what a client waits for: BEGIN and COMMIT, too.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import make_url

from benchmarks.installations import HARNESS, Servers, connect
from workers.runtime.settings import Settings


class StatementLog:
    """The statements of one database's sessions."""

    def __init__(self, path: Path, database: str) -> None:
        self._path = path
        self._statement = re.compile(
            rb"^(?!" + HARNESS.encode() + rb"@).*@" + database.encode() + rb" LOG:  (?:statement|execute .*?): ",
            re.MULTILINE,
        )

    def size(self) -> int:
        """Return how long the log is now, in bytes."""
        return self._path.stat().st_size

    def count(self, since: int, until: int) -> int:
        """Count the statements between two sizes of the log."""
        with self._path.open("rb") as log:
            log.seek(since)
            return len(self._statement.findall(log.read(until - since)))


@asynccontextmanager
async def logging_statements(servers: Servers, settings: Settings) -> AsyncIterator[StatementLog | None]:
    """Have each statement of sessions that begin in the context logged; None where the log cannot be read."""
    if servers.postgresql_log is None:
        yield None
        return
    database = str(make_url(settings.database_url).database)
    await _execute(settings, f"ALTER DATABASE \"{database}\" SET log_statement = 'all'")
    await _execute(settings, f'ALTER DATABASE "{database}" SET log_parameter_max_length = 0')
    try:
        yield StatementLog(servers.postgresql_log, database)
    finally:
        await _execute(settings, f'ALTER DATABASE "{database}" RESET log_statement')


async def _execute(settings: Settings, statement: str) -> None:
    connection = await connect(settings.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
