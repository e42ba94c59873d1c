"""Audits the database roles: whether each has the privileges of its part, and no others.

It only reads catalogs, so the auditor needs no extra privileges (docs/database-roles.md).
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.privileges import ALEMBIC, BOUND_SCHEMA, BOUND_VIEWS, Party, bound_view, needed, role_name
from db.role_catalog import has_bound_schema, known_roles, not_owned, owner_of_log, what_more
from db.tables import metadata

Right = tuple[str, str, str | None]
"""A table or view, a privilege, and the column it applies to (None: all)."""

_EVERYBODY = "public"
_BARRIER = ["security_barrier=true"]


async def role_troubles(connection: AsyncConnection, installation: str) -> AsyncIterator[tuple[str, str]]:
    """Yield each trouble with its subject; nothing if no roles were created."""
    roles = {party: role_name(installation, party) for party in Party}
    owner = roles[Party.OWNER]
    if await owner_of_log(connection) != owner and not await has_bound_schema(connection):
        return
    known = await known_roles(connection, roles.values())
    for name in roles.values():
        if name not in known:
            yield f"role {name}", "it is missing"
    for name, more in (await what_more(connection, roles.values())).items():
        yield f"role {name}", f"it {more}, and so may do more than its part"
    for _, name in await not_owned(connection, owner):
        yield name, f"it is not owned by {owner}: whoever owns it may change it"
    views = {row.name: row for row in await connection.execute(_VIEWS, {"schema": BOUND_SCHEMA})}
    public = await _rights(connection, _EVERYBODY)
    for right in _sorted(public):
        yield "everybody", f"may {_described(right)}"
    for party in (Party.WORKER, Party.MAINTENANCE, Party.READER, Party.AUDITOR, Party.BOUND):
        if roles[party] in known:
            found, expected = await _rights(connection, roles[party]), _expected(party, views.keys())
            for right in _sorted(found - expected - public):
                yield f"role {roles[party]}", f"it may {_described(right)}, which is not its part"
            for right in _sorted(expected - found):
                yield f"role {roles[party]}", f"it may not {_described(right)}, which is its part"
    for place, trouble in _view_troubles(views, owner):
        yield place, trouble
    for reader in (await connection.execute(_READERS_WITHOUT_ROLE)).scalars():
        yield "bound_readers", f"it names {reader}, which is no role: whoever is given that name sees its rows"


def _view_troubles(found: Mapping[str, Any], owner: str) -> Iterator[tuple[str, str]]:
    """Yield how the views of bound readers differ from those that a migration creates."""
    for name in found.keys() - set(BOUND_VIEWS):
        yield f"{BOUND_SCHEMA}.{name}", "no such view is made by whopays"
    for name in BOUND_VIEWS:
        place, view = f"{BOUND_SCHEMA}.{name}", found.get(name)
        if view is None:
            yield place, "it is missing: bound readers see nothing of this table"
            continue
        if _normalized(view.definition or "") != _normalized(
            bound_view(name, BOUND_SCHEMA).replace(f"{BOUND_SCHEMA}.", "")
        ):
            yield place, "it is not the view that whopays makes: it may show bound readers the rows of others"
        if view.options != _BARRIER:
            yield place, "it is no security barrier, or has other options: a query may see rows that it leaves out"
        if view.owner != owner:
            yield place, f"it is owned by {view.owner}, not by {owner}: what it reads is read with that role's rights"


def _expected(party: Party, views: AbstractSet[str]) -> AbstractSet[Right]:
    """Return a party's intended rights on the tables, and on those of its views that exist."""
    own = views & set(BOUND_VIEWS) if party is Party.BOUND else ()
    return {*needed(party), *((f"{BOUND_SCHEMA}.{view}", "SELECT", None) for view in own)}


async def _rights(connection: AsyncConnection, role: str) -> AbstractSet[Right]:
    """Return a role's rights on our tables and views: its own, through membership, or through PUBLIC."""
    values = {"role": role, "schema": BOUND_SCHEMA, "tables": [*metadata.tables, ALEMBIC]}
    return {(row.name, row.privilege, row.column) for row in await connection.execute(_RIGHTS, values)}


def _normalized(definition: str) -> str:
    """Return a view's definition without the parts that PostgreSQL versions format differently."""
    return _DECORATION.sub("", definition.lower())


def _sorted(rights: AbstractSet[Right]) -> list[Right]:
    return sorted(rights, key=lambda right: (right[0], right[1], right[2] or ""))


def _described(right: Right) -> str:
    name, privilege, column = right
    return f"{privilege} {name}" if column is None else f"{privilege} the column {column} of {name}"


# A table of another schema keeps its qualifier: only our own names are stripped.
_DECORATION = re.compile(rf'[\s()";]|\b({"|".join(["bound_readers", *BOUND_VIEWS])})\.')
_RIGHTS = text(
    """
    SELECT DISTINCT name, privilege, CASE WHEN NOT is_whole THEN attname END AS column FROM (
        SELECT CASE WHEN nspname = :schema THEN nspname || '.' || relname ELSE relname END AS name, privilege, attname,
            has_table_privilege(CAST(:role AS name), pg_class.oid, privilege) AS is_whole,
            privilege IN ('SELECT', 'INSERT', 'UPDATE')
                AND has_column_privilege(CAST(:role AS name), pg_class.oid, attnum, privilege) AS is_partly
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_inherits ON inhrelid = pg_class.oid
        CROSS JOIN unnest(
            ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
        ) AS privilege
        WHERE relkind IN ('r', 'p', 'v') AND (
            nspname = :schema OR nspname = current_schema()
                AND (relname = ANY(CAST(:tables AS name[])) OR inhparent = to_regclass('log'))
        )
    ) AS rights WHERE is_whole OR is_partly
    """
)
_VIEWS = text(
    """
    SELECT relname AS name, pg_get_userbyid(relowner) AS owner, reloptions AS options,
        CASE WHEN relkind = 'v' THEN pg_get_viewdef(pg_class.oid) END AS definition
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = :schema AND relkind IN ('r', 'p', 'v', 'm', 'f')
    """
)
_READERS_WITHOUT_ROLE = text(
    "SELECT DISTINCT reader FROM bound_readers WHERE reader NOT IN (SELECT rolname FROM pg_roles) ORDER BY reader"
)
