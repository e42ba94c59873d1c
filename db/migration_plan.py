"""Plans what `whopays migrate` would do to a database, without doing it."""

import ast
from dataclasses import dataclass
from enum import StrEnum

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


class Kind(StrEnum):
    """Whether earlier code can run on the tables after a migration (docs/decisions/0033)."""

    EXPAND = "expand"
    """All code that worked before still works."""
    CONTRACT = "contract"
    """Code that knows a certain earlier revision still works."""
    STOP = "needs a stop"
    """No earlier code works."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A revision, with a one-line title of what it changes.

    `oldest_code` is the head revision of the oldest code that works on the tables afterwards.
    """

    revision: str
    title: str
    kind: Kind
    oldest_code: str


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """A database's revision (None: it is empty), the migrations left to run, and its largest tables in bytes."""

    present: str | None
    wanted: str
    migrations: tuple[Migration, ...]
    largest_tables: tuple[tuple[str, int], ...]

    @property
    def needs_stop(self) -> bool:
        """Whether code of the present revision no longer works after these migrations."""
        return self.present is None or any(one.oldest_code > self.present for one in self.migrations)

    @property
    def needs_code(self) -> str | None:
        """The revision that all running code must know beforehand, if any code might not."""
        return max((one.oldest_code for one in self.migrations if one.kind is not Kind.EXPAND), default=None)


async def migration_plan(engine: AsyncEngine, installation: str, shards: int, first_shard: int = 0) -> MigrationPlan:
    """Return the migrations left, and the largest tables. Takes no lock that blocks others. Raises DatabaseRefused."""
    async with engine.connect() as connection:
        present = await connection.run_sync(known_revision)
        if present is not None:
            await check_installation(connection, installation, shards, first_shard)
        tables = (await connection.execute(_LARGEST)).all()
    left = tuple(one for one in migrations() if present is None or one.revision > present)
    return MigrationPlan(present, head_revision(), left, tuple((row.name, row.bytes) for row in tables))


def migrations() -> list[Migration]:
    """Return all migrations of this version, oldest first."""
    found: list[Migration] = []
    for revision, file in sorted(migration_files().items()):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        oldest = _declared(revision, tree)
        kind = _kind(revision, oldest, found[-1].oldest_code if found else None)
        found.append(Migration(revision, _title(tree), kind, oldest))
    return found


def oldest_code() -> str:
    """Return the head revision of the oldest code that works on this version's tables."""
    return migrations()[-1].oldest_code


def _kind(revision: str, oldest: str, before: str | None) -> Kind:
    if before is not None and not before <= oldest <= revision:
        raise ValueError(f"migration {revision}: oldest_code must be from {before} to {revision}, not {oldest}")
    if oldest == revision:
        return Kind.STOP
    return Kind.EXPAND if oldest == before else Kind.CONTRACT


def _declared(revision: str, tree: ast.Module) -> str:
    """Return the `oldest_code` that a migration declares. Raises LookupError."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="oldest_code")], value=ast.Constant(value=str(declared))):
                return declared
            case _:
                pass
    raise LookupError(f"migration {revision} does not declare oldest_code: see docs/decisions/0033")


def _title(tree: ast.Module) -> str:
    """Return the first line of a migration's docstring, without the reference to a decision."""
    said = ast.get_docstring(tree) or ""
    return said.splitlines()[0].partition(" (docs/")[0].rstrip(".")
