"""Creates the database roles: the tables' owner, and roles for workers, maintenance, readers and auditors.

`whopays migrate --roles` creates them, and every later migration updates their privileges (docs/database-roles.md).
"""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.errors import is_not_allowed
from db.privileges import ALEMBIC, BOUND_SCHEMA, BOUND_VIEWS, PRIVILEGES, Party, bound_view, role_name
from db.refusal import RolesRefused
from db.role_catalog import has_bound_schema, known_roles, not_owned, owner_of_log, what_more
from db.tables import metadata

Report = Callable[[str], None]

_LONGEST_NAME_BYTES = 63


async def act_as_owner(connection: AsyncConnection, installation: str) -> bool:
    """Act as the owner role until the transaction ends, if roles were created; return whether they were.

    Raises RolesRefused if the session may not.
    """
    owner = role_name(installation, Party.OWNER)
    if await owner_of_log(connection) != owner:
        return False
    if not (await connection.execute(_MAY_ACT_AS, {"role": owner})).scalar_one():
        raise RolesRefused(
            f'The tables belong to the role "{owner}", of which "{await _user(connection)}" is not a member. '
            f'Connect as one of its members, or run: GRANT "{owner}" TO "{await _user(connection)}"'
        )
    await connection.execute(text(f"SET LOCAL ROLE {_quoted(owner)}"))
    return True


async def drop_bound_views(connection: AsyncConnection) -> None:
    """Drop the views of bound readers, which would prevent migrations from changing the tables beneath them."""
    for name in (await connection.execute(_VIEWS, {"schema": BOUND_SCHEMA})).scalars().all():
        await connection.execute(text(f"DROP VIEW {BOUND_SCHEMA}.{_quoted(name)}"))


async def set_up_roles(connection: AsyncConnection, installation: str, report: Report) -> None:
    """Create missing roles, give the tables to the owner, and give each role its privileges and no others.

    `report` is called with each change. Idempotent. Raises RolesRefused.
    """
    await connection.execute(text("SET LOCAL ROLE NONE"))
    roles = {party: role_name(installation, party) for party in Party}
    async with _refusing_if_denied(connection):
        await _make_roles(connection, roles.values(), report)
        await _check_harmless(connection, roles)
        owner = roles[Party.OWNER]
        if not (await connection.execute(_MAY_ACT_AS, {"role": owner})).scalar_one():
            await connection.execute(text(f"GRANT {_quoted(owner)} TO CURRENT_USER"))
            report(f'"{await _user(connection)}" is a member of "{owner}" now')
        schema = (await connection.execute(text("SELECT current_schema()"))).scalar_one()
        await _open_schema(connection, schema, roles)
        await _transfer_ownership(connection, owner, report)
        if not await has_bound_schema(connection):
            await connection.execute(text(f"CREATE SCHEMA {BOUND_SCHEMA} AUTHORIZATION {_quoted(owner)}"))
            report(f"made the schema {BOUND_SCHEMA}")
        await connection.execute(text(f"SET LOCAL ROLE {_quoted(owner)}"))
        before = (await connection.execute(_ALL_PRIVILEGES)).scalar_one()
        await _grant(connection, roles)
        await _create_bound_views(connection, _quoted(schema), roles[Party.BOUND])
        if (await connection.execute(_ALL_PRIVILEGES)).scalar_one() != before:
            report("set what each role may do")


async def _make_roles(connection: AsyncConnection, names: Collection[str], report: Report) -> None:
    longest = max(names, key=lambda name: len(name.encode()))
    if len(longest.encode()) > _LONGEST_NAME_BYTES:
        raise RolesRefused(f'The role "{longest}" would have too long a name: PostgreSQL takes 63 bytes.')
    known = await known_roles(connection, names)
    missing = [name for name in names if name not in known]
    if missing and not (await connection.execute(_MAY_CREATE)).scalar_one():
        statements = " ".join(f"CREATE ROLE {_quoted(name)};" for name in missing)
        raise RolesRefused(
            f'PostgreSQL\'s role "{await _user(connection)}" may not create roles. Connect as one that may, or have '
            f"these made first: {statements}"
        )
    for name in missing:
        await connection.execute(text(f"CREATE ROLE {_quoted(name)} NOLOGIN"))
        report(f'made the role "{name}"')


async def _check_harmless(connection: AsyncConnection, roles: dict[Party, str]) -> None:
    """Raise RolesRefused for an existing role that may do more than one of our groups should."""
    for name, more in (await what_more(connection, roles.values())).items():
        raise RolesRefused(
            f'The role "{name}" {more}, and so may do more than it should: it is a group without rights of its own. '
            "Take that from it, or rename it."
        )


async def _open_schema(connection: AsyncConnection, schema: str, roles: dict[Party, str]) -> None:
    quoted = _quoted(schema)
    # First, or what the owner has through PUBLIC would be taken for its own privilege.
    public = {"role": "public", "schema": schema, "privilege": "CREATE"}
    if (await connection.execute(_HAS_ON_SCHEMA, public)).scalar_one():
        # The default before PostgreSQL 15. Any role that may create tables could shadow one of ours.
        await connection.execute(text(f"REVOKE CREATE ON SCHEMA {quoted} FROM PUBLIC"))
        if (await connection.execute(_HAS_ON_SCHEMA, public)).scalar_one():
            raise RolesRefused(
                f"Everybody may create tables in the schema {quoted}. Run as its owner: "
                f"REVOKE CREATE ON SCHEMA {quoted} FROM PUBLIC"
            )
    for party, name in roles.items():
        for privilege in ("USAGE", "CREATE") if party is Party.OWNER else ("USAGE",):
            values = {"role": name, "schema": schema, "privilege": privilege}
            if (await connection.execute(_HAS_ON_SCHEMA, values)).scalar_one():
                continue
            await connection.execute(text(f"GRANT {privilege} ON SCHEMA {quoted} TO {_quoted(name)}"))
            # PostgreSQL only warns when it cannot grant.
            if not (await connection.execute(_HAS_ON_SCHEMA, values)).scalar_one():
                raise RolesRefused(
                    f'PostgreSQL\'s role "{await _user(connection)}" may not grant {privilege} on the schema {quoted}. '
                    f"Connect as its owner, or run: GRANT {privilege} ON SCHEMA {quoted} TO {_quoted(name)}"
                )


async def _transfer_ownership(connection: AsyncConnection, owner: str, report: Report) -> None:
    """Transfer to the owner all tables, partitions and functions that it does not own yet."""
    found = await not_owned(connection, owner)
    for kind, name in found:
        await connection.execute(text(f"ALTER {kind} {name} OWNER TO {_quoted(owner)}"))
    if found:
        report(f'"{owner}" owns {len(found)} tables and functions now')


async def _grant(connection: AsyncConnection, roles: dict[Party, str]) -> None:
    groups = ", ".join(_quoted(name) for party, name in roles.items() if party is not Party.OWNER)
    tables = ", ".join((*metadata.tables, ALEMBIC))
    await connection.execute(text(f"REVOKE ALL ON {tables} FROM PUBLIC, {groups}"))
    for party, privileges in PRIVILEGES.items():
        for table, granted in privileges.items():
            said = ", ".join(
                f"{privilege} ({', '.join(map(_quoted, columns))})" if columns else privilege
                for privilege, columns in granted.items()
            )
            await connection.execute(text(f"GRANT {said} ON {table} TO {_quoted(roles[party])}"))
    await connection.execute(text(f"REVOKE ALL ON FUNCTION ensure_log_partitions() FROM PUBLIC, {groups}"))
    worker = _quoted(roles[Party.WORKER])
    await connection.execute(text(f"GRANT EXECUTE ON FUNCTION ensure_log_partitions() TO {worker}"))
    maintenance = _quoted(roles[Party.MAINTENANCE])
    for function in ("archive_log_partition(bigint, jsonb)", "forget_dead_letters(bigint[])"):
        await connection.execute(text(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC, {groups}"))
        await connection.execute(text(f"GRANT EXECUTE ON FUNCTION {function} TO {maintenance}"))


async def _create_bound_views(connection: AsyncConnection, schema: str, bound: str) -> None:
    await drop_bound_views(connection)
    await connection.execute(text(f"GRANT USAGE ON SCHEMA {BOUND_SCHEMA} TO {_quoted(bound)}"))
    for table in BOUND_VIEWS:
        view = f"{BOUND_SCHEMA}.{table}"
        # A security barrier: no condition of a query is evaluated on rows that the view leaves out.
        query = bound_view(table, schema)
        await connection.execute(text(f"CREATE VIEW {view} WITH (security_barrier) AS {query}"))
        await connection.execute(text(f"GRANT SELECT ON {view} TO {_quoted(bound)}"))


@asynccontextmanager
async def _refusing_if_denied(connection: AsyncConnection) -> AsyncIterator[None]:
    me = await _user(connection)
    try:
        yield
    except DBAPIError as error:
        if not is_not_allowed(error):
            raise
        cause = error.orig.__cause__ if error.orig else None
        words = str(cause) if isinstance(cause, asyncpg.PostgresError) else "not allowed"
        raise RolesRefused(
            f'PostgreSQL\'s role "{me}" cannot set up the roles: {words}. Connect as a superuser, or as the owner of '
            "the database and of its tables; nothing was changed."
        ) from error


async def _user(connection: AsyncConnection) -> str:
    return str((await connection.execute(text("SELECT session_user"))).scalar_one())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_MAY_ACT_AS = text("SELECT pg_has_role(CAST(:role AS name), 'SET')")
_MAY_CREATE = text("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
_HAS_ON_SCHEMA = text("SELECT has_schema_privilege(CAST(:role AS name), CAST(:schema AS text), :privilege)")
_VIEWS = text(
    """
    SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = :schema AND relkind = 'v'
    """
)
_ALL_PRIVILEGES = text(
    """
    SELECT md5(concat(
        (SELECT string_agg(concat(relname, relacl), ',' ORDER BY relnamespace, relname) FROM pg_class
            WHERE relnamespace IN (CAST(current_schema() AS regnamespace), to_regnamespace('whopays_bound'))),
        (SELECT string_agg(concat(attrelid, attname, attacl), ',' ORDER BY attrelid, attname) FROM pg_attribute
            WHERE attacl IS NOT NULL)
    ))
    """
)
