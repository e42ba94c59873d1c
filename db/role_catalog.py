"""Reads PostgreSQL's catalogs about whopays' roles: which exist, their extra rights, and what they own."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.privileges import ALEMBIC, BOUND_SCHEMA
from db.tables import metadata

_FUNCTIONS = (
    "archive_log_partition", "bindings_move_heads", "command_digest", "ensure_log_partitions", "forget_dead_letters",
    "inbox_ids_are_new", "inbox_is_kept",
    "refuse_by_name",
)  # fmt: skip


async def owner_of_log(connection: AsyncConnection) -> str | None:
    """Return the role that owns the log, and with it all tables; None if there are no tables."""
    owner: str | None = (await connection.execute(_OWNER_OF_LOG)).scalar_one_or_none()
    return owner


async def known_roles(connection: AsyncConnection, names: Collection[str]) -> set[str]:
    """Return which of these roles exist."""
    return set((await connection.execute(_KNOWN, {"names": list(names)})).scalars())


async def what_more(connection: AsyncConnection, names: Collection[str]) -> Mapping[str, str]:
    """Return the roles that may do more than our groups should, each with its extra attributes or memberships."""
    rows = (await connection.execute(_EXCESS, {"names": list(names)})).all()
    return {
        name: f"has the attributes {attributes}" if attributes else f"is a member of {groups}"
        for name, attributes, groups in rows
    }


async def not_owned(connection: AsyncConnection, owner: str) -> Sequence[tuple[str, str]]:
    """Return kind and name of the tables, partitions and functions that the owner does not own."""
    values = {"owner": owner, "tables": [*metadata.tables, ALEMBIC], "functions": list(_FUNCTIONS)}
    return [(kind, name) for kind, name in await connection.execute(_NOT_OWNED, values)]


async def has_bound_schema(connection: AsyncConnection) -> bool:
    """Return whether the schema of the bound readers' views exists."""
    return bool((await connection.execute(_HAS_SCHEMA, {"schema": BOUND_SCHEMA})).scalar_one())


_OWNER_OF_LOG = text("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('log')")
_KNOWN = text("SELECT rolname FROM pg_roles WHERE rolname = ANY(CAST(:names AS name[]))")
_EXCESS = text(
    """
    SELECT rolname, concat_ws(', ', CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcanlogin THEN 'LOGIN' END,
            CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
            CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END),
        groups.names
    FROM pg_roles CROSS JOIN LATERAL (
        SELECT string_agg(quote_ident(pg_get_userbyid(roleid)), ', ') AS names
        FROM pg_auth_members WHERE member = pg_roles.oid
    ) AS groups
    WHERE rolname = ANY(CAST(:names AS name[])) AND (
        rolsuper OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
        OR groups.names IS NOT NULL
    )
    ORDER BY rolname
    """
)
_HAS_SCHEMA = text("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = :schema)")
_NOT_OWNED = text(
    """
    SELECT kind, name FROM (
        SELECT 'TABLE' AS kind, CAST(CAST(pg_class.oid AS regclass) AS text) AS name, relowner AS owner
        FROM pg_class LEFT JOIN pg_inherits ON inhrelid = pg_class.oid
        WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind IN ('r', 'p')
            AND (relname = ANY(CAST(:tables AS name[])) OR inhparent = to_regclass('log'))
        UNION ALL
        SELECT 'FUNCTION', CAST(CAST(oid AS regprocedure) AS text), proowner FROM pg_proc
        WHERE pronamespace = CAST(current_schema() AS regnamespace) AND proname = ANY(CAST(:functions AS name[]))
    ) AS ours
    WHERE pg_get_userbyid(owner) <> CAST(:owner AS name) ORDER BY kind, name
    """
)
