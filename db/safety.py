"""What whopays requires of a PostgreSQL: it forgets nothing that was committed, and this role may write everything."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.refusal import UnsafeDatabase
from db.tables import metadata

_UNSAFE = {"synchronous_commit": ("off", "local"), "fsync": ("off",), "full_page_writes": ("off",)}
_READ_ONLY = "default_transaction_read_only"
_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")
_NEVER_WRITTEN = frozenset({"installation"})


async def check_safety(connection: AsyncConnection, *, is_disposable: bool) -> None:
    """Make sure that this session can write, and that its commits last. Raises UnsafeDatabase.

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
    """Make sure that this session can write at all. Raises UnsafeDatabase."""
    if (await connection.execute(text("SELECT pg_is_in_recovery()"))).scalar_one():
        raise UnsafeDatabase("PostgreSQL is a standby (read-only). Give WHOPAYS_DATABASE_URL the primary.")
    found = await _setting(connection, _READ_ONLY)
    if found.setting == "on":
        raise UnsafeDatabase(f"PostgreSQL takes no writes: {_READ_ONLY} = on{_where(found)}. {_remedy(found, 'off')}.")


async def _check_privileges(connection: AsyncConnection) -> None:
    tables = [name for name in metadata.tables if name not in _NEVER_WRITTEN]
    values = {"tables": tables, "privileges": list(_PRIVILEGES)}
    missing = (await connection.execute(_MISSING_PRIVILEGES, values)).all()
    if missing:
        role, first = missing[0].role, missing[0]
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UnsafeDatabase(
            f'PostgreSQL\'s role "{role}" lacks the privilege {first.privilege} on the table {first.name}{others}. '
            "Connect as the role that created the tables (whopays migrate), or make this one its member."
        )
    # Partitions are created and attached as the log grows, which only its owner may do.
    owner = (await connection.execute(_OWNER)).one()
    if not owner.is_member:
        raise UnsafeDatabase(
            f'PostgreSQL\'s role "{owner.role}" does not own the table log, and so cannot add its partitions. '
            f'Run: GRANT "{owner.name}" TO "{owner.role}"'
        )


async def _setting(connection: AsyncConnection, name: str) -> Row[Any]:
    return (await connection.execute(_SETTING, {"name": name})).one()


def _where(setting: Row[Any]) -> str:
    """Return where a setting comes from, if not from the server itself."""
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
    FROM unnest(CAST(:tables AS text[])) WITH ORDINALITY AS tables(name, at),
        unnest(CAST(:privileges AS text[])) WITH ORDINALITY AS privileges(privilege, rank)
    WHERE NOT has_table_privilege(current_user, CAST(name AS regclass), privilege)
    ORDER BY at, rank
    """
)
_OWNER = text(
    """
    SELECT pg_get_userbyid(relowner) AS name, current_user AS role, pg_has_role(relowner, 'USAGE') AS is_member
    FROM pg_class WHERE oid = CAST('log' AS regclass)
    """
)
