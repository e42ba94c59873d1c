"""What a reader that is bound to some organizations sees (docs/decisions/0027-bound-readers-have-views.md)."""

import pytest

from db.privileges import BOUND_VIEWS, Party, role_name
from tests.services.db.roles.parties import Parties, as_party

_COUNTED = {"replays": 0, "dead_letter_actions": 1, "forgotten_commands": 1}


async def test_a_bound_reader_sees_only_the_rows_of_its_organizations(made: Parties) -> None:
    seen = {}
    async with as_party(made, Party.BOUND) as connection, as_party(made, Party.AUDITOR) as auditing:
        for table in BOUND_VIEWS:
            name = {"log": "boundary"}.get(table, "organization")
            if table in ("replays", "dead_letter_actions", "forgotten_commands"):
                seen[table] = await connection.fetchval(f"SELECT count(*) FROM {table}")
                continue
            assert await auditing.fetchval(f"SELECT count(DISTINCT {name}) FROM {table}") == 2, table
            seen[table] = await connection.fetchval(f"SELECT array_agg(DISTINCT {name}) FROM {table}")
    assert seen == {table: ["acme"] for table in BOUND_VIEWS} | _COUNTED


@pytest.mark.parametrize(
    "trick",
    (
        "SET search_path = public, whopays_bound",
        "SET row_security = off",
        'SET ROLE "{bound}"',
        (
            "CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS "
            "'BEGIN RAISE WARNING ''%'', $1; RETURN true; END'"
        ),
        (
            "CREATE TEMP TABLE bound_readers (reader text, organization text); "
            "INSERT INTO bound_readers VALUES (session_user, 'other'); SET search_path = pg_temp, whopays_bound, public"
        ),
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off",
    ),
)
async def test_nothing_that_a_bound_reader_sets_shows_it_more(made: Parties, trick: str) -> None:
    heard: list[str] = []
    async with as_party(made, Party.BOUND) as connection:
        connection.add_log_listener(lambda _, message: heard.append(str(message)))
        await connection.execute(trick.replace("{bound}", role_name(made.installation, Party.BOUND)))
        where = "WHERE pg_temp.leak(organization)" if "leak" in trick else ""
        rows = await connection.fetch(f"SELECT organization FROM whopays_bound.accounts {where}")
    assert [row["organization"] for row in rows] == ["acme"]
    assert [words for words in heard if "other" in words] == []
