"""Whatever is changed about the roles, or about the views of bound readers, is found. Each change is taken back."""

import pytest
from sqlalchemy import text

from db.engine import create_engine
from db.privileges import BOUND_VIEWS
from db.role_troubles import role_troubles
from tests.services.db.roles.parties import Parties

_OWN = "organization IN (SELECT organization FROM bound_readers WHERE reader = session_user)"
_ACCOUNTS = "CREATE OR REPLACE VIEW whopays_bound.organizations WITH (security_barrier) AS SELECT * FROM organizations"
_PLANTED = {
    'GRANT SELECT ON accounts TO "{bound}"': ("role {bound}", "may SELECT accounts, which is not its part"),
    'GRANT SELECT ON bound_readers TO "{bound}"': ("role {bound}", "may SELECT bound_readers"),
    'GRANT INSERT ON bound_readers TO "{worker}"': ("role {worker}", "may INSERT bound_readers"),
    'GRANT UPDATE (value) ON log TO "{worker}"': ("role {worker}", "may UPDATE the column value of log"),
    'GRANT UPDATE ON log_p0 TO "{worker}"': ("role {worker}", "may UPDATE log_p0"),
    'GRANT DELETE ON whopays_bound.accounts TO "{bound}"': ("role {bound}", "may DELETE whopays_bound.accounts"),
    'GRANT SELECT (asker) ON dead_letters TO "{reader}"': ("role {reader}", "the column asker of dead_letters"),
    'GRANT TRIGGER ON bindings TO "{auditor}"': ("role {auditor}", "may TRIGGER bindings"),
    "GRANT SELECT ON log TO PUBLIC": ("everybody", "may SELECT log"),
    'REVOKE SELECT ON shards FROM "{worker}"': ("role {worker}", "may not SELECT shards, which is its part"),
    'ALTER ROLE "{worker}" CREATEROLE': ("role {worker}", "has the attributes CREATEROLE"),
    'ALTER ROLE "{worker}" CREATEDB': ("role {worker}", "has the attributes CREATEDB"),
    'ALTER ROLE "{worker}" REPLICATION': ("role {worker}", "has the attributes REPLICATION"),
    'GRANT "{owner}" TO "{worker}"': ("role {worker}", "is a member of"),
    'ALTER ROLE "{auditor}" RENAME TO "{auditor}_before"': ("role {auditor}", "it is missing"),
    "ALTER TABLE bindings OWNER TO CURRENT_USER": ("bindings", "it is not owned by {owner}"),
    "ALTER FUNCTION ensure_log_partitions OWNER TO CURRENT_USER": ("ensure_log_partitions()", "it is not owned by"),
    "DROP VIEW whopays_bound.accounts": ("whopays_bound.accounts", "it is missing"),
    "CREATE VIEW whopays_bound.mine AS SELECT 1 AS x": ("whopays_bound.mine", "no such view is made by whopays"),
    "ALTER VIEW whopays_bound.accounts SET (security_barrier = false)": ("whopays_bound.accounts", "security barrier"),
    "ALTER VIEW whopays_bound.accounts RESET (security_barrier)": ("whopays_bound.accounts", "security barrier"),
    "ALTER VIEW whopays_bound.accounts SET (security_invoker)": ("whopays_bound.accounts", "or has other options"),
    "ALTER VIEW whopays_bound.accounts OWNER TO CURRENT_USER": ("whopays_bound.accounts", "it is owned by"),
    _ACCOUNTS: ("whopays_bound.organizations", "not the view that whopays makes"),
    f"{_ACCOUNTS} WHERE {_OWN} OR organization = 'other'": ("whopays_bound.organizations", "not the view"),
    f"{_ACCOUNTS} WHERE NOT ({_OWN})": ("whopays_bound.organizations", "not the view"),
    # A table of the same name in another schema says who sees what.
    "CREATE SCHEMA mine; CREATE TABLE mine.bound_readers AS TABLE bound_readers; "
    + f"{_ACCOUNTS} WHERE {_OWN}".replace("FROM bound_readers", "FROM mine.bound_readers"): (
        "whopays_bound.organizations",
        "not the view",
    ),
    "INSERT INTO bound_readers VALUES ('long gone', 'acme')": ("bound_readers", "it names long gone, which is no role"),
}


async def test_nothing_is_found_where_nothing_is_wrong(made: Parties) -> None:
    assert await _found(made) == []
    assert await _found(made, "CREATE TABLE customers (name text); GRANT ALL ON customers TO PUBLIC") == []


@pytest.mark.parametrize("statement", _PLANTED)
async def test_a_change_is_found(made: Parties, statement: str) -> None:
    place, trouble = (words.format(**_names(made)) for words in _PLANTED[statement])
    found = await _found(made, statement.format(**_names(made)))
    assert [words for where, words in found if where == place and trouble in words], found
    assert {where for where, _ in found} == {place}, "nothing else is"


async def test_each_view_is_looked_at_whatever_is_wrong_with_another(made: Parties) -> None:
    gone = [f"whopays_bound.{name}" for name in (BOUND_VIEWS[0], BOUND_VIEWS[-1])]
    found = await _found(made, "; ".join(f"DROP VIEW {name}" for name in gone))
    assert [place for place, _ in found] == gone


async def test_without_roles_there_is_nothing_to_find(made: Parties) -> None:
    engine = create_engine(made.database_url, pool_size=1)
    try:
        async with engine.connect() as connection:
            assert [one async for one in role_troubles(connection, "another")] != []
            await connection.execute(text("DROP SCHEMA whopays_bound CASCADE"))
            assert [one async for one in role_troubles(connection, "another")] == []
            await connection.rollback()
    finally:
        await engine.dispose()


def _names(made: Parties) -> dict[str, str]:
    return {party: f"{made.installation}_{party}" for party in ("owner", "worker", "reader", "auditor", "bound")}


async def _found(made: Parties, statements: str = "") -> list[tuple[str, str]]:
    """Return what is found after these statements, which are taken back."""
    engine = create_engine(made.database_url, pool_size=1)
    try:
        async with engine.connect() as connection:
            for statement in filter(None, statements.split("; ")):
                await connection.execute(text(statement))
            found = [one async for one in role_troubles(connection, made.installation)]
            await connection.rollback()
            return found
    finally:
        await engine.dispose()
