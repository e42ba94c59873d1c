"""What `whopays migrate` would do to a database, found out without doing it."""

import ast
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.revisions import check_installation, head_revision, known_revision, migration_files

_LARGEST = text(
    """
    SELECT coalesce(parent.relname, c.relname) AS name, sum(pg_total_relation_size(c.oid))::bigint AS bytes
    FROM pg_class AS c
    LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
    LEFT JOIN pg_class AS parent ON parent.oid = i.inhparent
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
    GROUP BY 1 ORDER BY bytes DESC, name LIMIT 3
    """
)


@dataclass(frozen=True, slots=True)
class Migration:
    """A revision, and in one line what it makes of the one before."""

    revision: str
    title: str


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """The revision that a database is at (None: it is empty), what is left to do, and its largest tables in bytes."""

    present: str | None
    wanted: str
    migrations: tuple[Migration, ...]
    largest_tables: tuple[tuple[str, int], ...]


async def migration_plan(engine: AsyncEngine, installation: str, shards: int) -> MigrationPlan:
    """Return what is left to do, and on how much. Takes no lock that anybody waits for. Raises DatabaseRefused."""
    async with engine.connect() as connection:
        present = await connection.run_sync(known_revision)
        if present is not None:
            await check_installation(connection, installation, shards)
        tables = (await connection.execute(_LARGEST)).all()
    left = tuple(one for one in migrations() if present is None or one.revision > present)
    return MigrationPlan(present, head_revision(), left, tuple((row.name, row.bytes) for row in tables))


def migrations() -> list[Migration]:
    """Return all migrations of this version, oldest first."""
    return [Migration(revision, _title(file)) for revision, file in sorted(migration_files().items())]


def _title(file: Traversable) -> str:
    """Return the first line of a migration's docstring, without the decision that it names."""
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return said.splitlines()[0].partition(" (docs/")[0].rstrip(".")
