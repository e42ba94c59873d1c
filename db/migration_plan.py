"""What `whopays migrate` would do to a database, found out without doing it."""

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
    """What a migration leaves of the code that ran before it (docs/decisions/0033)."""

    EXPAND = "expand"
    """All of it works on."""
    CONTRACT = "contract"
    """Code works on that knows a certain earlier revision."""
    STOP = "needs a stop"
    """None of it."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A revision, and in one line what it makes of the one before.

    `oldest_code` is the last revision that the oldest code knows which works on the tables afterwards.
    """

    revision: str
    title: str
    kind: Kind
    oldest_code: str


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """The revision that a database is at (None: it is empty), what is left to do, and its largest tables in bytes."""

    present: str | None
    wanted: str
    migrations: tuple[Migration, ...]
    largest_tables: tuple[tuple[str, int], ...]

    @property
    def needs_stop(self) -> bool:
        """Whether code of the present revision no longer works on the tables afterwards."""
        return self.present is None or any(one.oldest_code > self.present for one in self.migrations)

    @property
    def needs_code(self) -> str | None:
        """The revision that all running code must know before, if there may be some that does not."""
        return max((one.oldest_code for one in self.migrations if one.kind is not Kind.EXPAND), default=None)


async def migration_plan(engine: AsyncEngine, installation: str, shards: int, first_shard: int = 0) -> MigrationPlan:
    """Return what is left to do, and on how much. Takes no lock that anybody waits for. Raises DatabaseRefused."""
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
    """Return the last revision that the oldest code knows which works beside this version on its tables."""
    return migrations()[-1].oldest_code


def _kind(revision: str, oldest: str, before: str | None) -> Kind:
    if before is not None and not before <= oldest <= revision:
        raise ValueError(f"migration {revision}: oldest_code must be from {before} to {revision}, not {oldest}")
    if oldest == revision:
        return Kind.STOP
    return Kind.EXPAND if oldest == before else Kind.CONTRACT


def _declared(revision: str, tree: ast.Module) -> str:
    """Return the value of `oldest_code`, which each migration declares. Raises LookupError."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="oldest_code")], value=ast.Constant(value=str(declared))):
                return declared
            case _:
                pass
    raise LookupError(f"migration {revision} does not declare oldest_code: see docs/decisions/0033")


def _title(tree: ast.Module) -> str:
    """Return the first line of a migration's docstring, without the decision that it names."""
    said = ast.get_docstring(tree) or ""
    return said.splitlines()[0].partition(" (docs/")[0].rstrip(".")
