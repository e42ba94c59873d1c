"""What became of commands."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import fetch


async def published_results(
    connection: AsyncConnection, organization: str, command_id: str, source: str | None = None
) -> list[bytes]:
    """Return the results of the commands with an id, of one source or of all: the events as they were published."""
    rows = await fetch(connection, _RESULTS, organization=organization, command_id=command_id, source=source)
    return [row["value"] for row in rows]


_RESULTS = text(
    """
    SELECT log.value FROM inbox JOIN log USING (shard, position)
    WHERE inbox.organization = :organization AND inbox.command_id = :command_id
        AND (CAST(:source AS text) IS NULL OR inbox.source = :source)
    ORDER BY inbox.source
    """
)
