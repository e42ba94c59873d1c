"""Checks what whopays requires of PostgreSQL: commits are durable, and this role has the workers' privileges."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.privileges import Party, needed
from db.refusal import UnsafeDatabase

_UNSAFE = {"synchronous_commit": ("off", "local"), "fsync": ("off",), "full_page_writes": ("off",)}
_READ_ONLY = "default_transaction_read_only"


async def check_safety(connection: AsyncConnection, *, is_disposable: bool) -> None:
    """Check that this session can write, and that its commits are durable. Raises UnsafeDatabase.

    `is_disposable` accepts settings under which a server crash loses commits.
    """
    await check_takes_writes(connection)
    await _check_privileges(connection)
    if is_disposable:
        return
    for name, unsafe in _UNSAFE.items():
        found = await _setting(connection, name)
        if found.setting in unsafe:
            raise UnsafeDatabase(
                f"PostgreSQL runs with {name} = {found.setting}{_where(found)}: a crash could lose what is "
                f"already published. {_remedy(found, 'on')}, or WHOPAYS_DATABASE_IS_DISPOSABLE=true if losing its data "
                "does not matter."
            )


async def check_takes_writes(connection: AsyncConnection) -> None:
    """Check that this session can write at all. Raises UnsafeDatabase."""
    if (await connection.execute(text("SELECT pg_is_in_recovery()"))).scalar_one():
        raise UnsafeDatabase("PostgreSQL is a standby (read-only). Give WHOPAYS_DATABASE_URL the primary.")
    found = await _setting(connection, _READ_ONLY)
    if found.setting == "on":
        raise UnsafeDatabase(f"PostgreSQL takes no writes: {_READ_ONLY} = on{_where(found)}. {_remedy(found, 'off')}.")


async def _check_privileges(connection: AsyncConnection) -> None:
    every = list(needed(Party.WORKER))
    values = {name: [one[at] for one in every] for at, name in enumerate(("tables", "privileges", "columns"))}
    missing = (await connection.execute(_MISSING_PRIVILEGES, values)).all()
    if missing:
        role, first = missing[0].role, missing[0]
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UnsafeDatabase(
            f'PostgreSQL\'s role "{role}" lacks the privilege {first.privilege} on the table {first.name}{others}. '
            "Connect as the role that created the tables (whopays migrate), or make this one its member, or one of the "
            "workers' role (whopays migrate --roles)."
        )
    role, may_add = (await connection.execute(_MAY_ADD_PARTITIONS)).one()
    if not may_add:
        raise UnsafeDatabase(
            f'PostgreSQL\'s role "{role}" may not add partitions to the table log, which it needs as it grows. '
            f'Run: GRANT EXECUTE ON FUNCTION ensure_log_partitions() TO "{role}"'
        )


async def _setting(connection: AsyncConnection, name: str) -> Row[Any]:
    return (await connection.execute(_SETTING, {"name": name})).one()


def _where(setting: Row[Any]) -> str:
    """Say where a setting was made, unless in the server's own configuration."""
    match setting.source:
        case "database":
            return f' (set for the database "{setting.database}" only)'
        case "user":
            return f' (set for the role "{setting.role}" only)'
        case "database user":
            return f' (set for the role "{setting.role}" in the database "{setting.database}" only)'
        case _:
            return ""


def _remedy(setting: Row[Any], value: str) -> str:
    match setting.source:
        case "database":
            return f'Run: ALTER DATABASE "{setting.database}" RESET {setting.name}'
        case "user":
            return f'Run: ALTER ROLE "{setting.role}" RESET {setting.name}'
        case "database user":
            return f'Run: ALTER ROLE "{setting.role}" IN DATABASE "{setting.database}" RESET {setting.name}'
        case _:
            return f"Set {setting.name} = {value}"


_SETTING = text(
    """
    SELECT name, setting, source, current_database() AS database, session_user AS role
    FROM pg_settings WHERE name = :name
    """
)
_MISSING_PRIVILEGES = text(
    """
    SELECT name, privilege, current_user AS role
    FROM unnest(CAST(:tables AS text[]), CAST(:privileges AS text[]), CAST(:columns AS text[])) WITH ORDINALITY
        AS needed(name, privilege, "column", at)
    WHERE NOT CASE WHEN "column" IS NULL THEN has_table_privilege(current_user, CAST(name AS regclass), privilege)
        ELSE EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = CAST(name AS regclass) AND attname = "column"
                AND has_column_privilege(current_user, attrelid, attnum, privilege)
        ) END
    ORDER BY at
    """
)
_MAY_ADD_PARTITIONS = text(
    "SELECT current_user, has_function_privilege(current_user, 'ensure_log_partitions()', 'EXECUTE')"
)
