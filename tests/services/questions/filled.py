"""A database that says that it holds 1,000,000 projects, and the plans that are made in it."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import TextClause

from db.address import connect_arguments
from db.driver import Statement
from db.reading import ReadingPool, reading_pool
from embedded import Addresses
from tests.support.installations import database

PROJECTS = 1_000_000
_PARAMETER = re.compile(r"(?<!:):(\w+)")
_FILL = (
    """
    INSERT INTO projects (organization, project, state, version)
    SELECT 'org-' || n % 20, 'project-' || n,
        CASE n % 10 WHEN 0 THEN 'Inactive' WHEN 5 THEN 'Deleted' ELSE 'Active' END, 1
    FROM generate_series(1, :rows) AS n
    """,
    """
    INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds)
    SELECT 'org-' || n % 20, 'account-' || n, 1, 1, 1, CASE n % 3 WHEN 0 THEN 'Archived' ELSE 'Provisioning' END,
        '[]', '[]'
    FROM generate_series(1, :rows / 4) AS n
    """,
    """
    INSERT INTO bindings (organization, project, number, account, from_instant)
    SELECT 'org-' || n % 20, 'project-' || n, 1, 'account-' || (n % 8 + 1) * 20 + n % 20, timestamptz '2025-01-01'
    FROM generate_series(1, :rows) AS n WHERE n % 10 NOT IN (3, 5)
    """,
    """
    INSERT INTO inbox
    SELECT 'org-' || n % 20, '/source', 'id-' || n, 'print', n % 48, n / 48 + 1,
        CASE n % 10 WHEN 0 THEN 'Rejected' ELSE 'Applied' END, 'project-' || n, 'account-' || n % 1000
    FROM generate_series(1, :rows) AS n
    """,
    """
    INSERT INTO forgotten_commands
    SELECT n / 48 + 1, n % 48, command_digest('org-' || n % 20, '/old', 'id-' || n), decode('0011223344556677', 'hex')
    FROM generate_series(1, :rows) AS n
    """,
    """
    INSERT INTO log SELECT n % 48, n / 48 + 1, now(), CASE n % 3 WHEN 0 THEN 'command-results' ELSE 'notices' END,
        NULL, 'value', 'hash', 'org-' || n % 20,
        CASE n % 3 WHEN 0 THEN json_build_object('person', 'person-' || n % 100) END
    FROM generate_series(1, :rows) AS n
    """,
    """
    INSERT INTO account_phases
    SELECT organization, account, 1, NULL, 'Provisioning', 'Created', '', 'alice', 'c1', now(), 1, 1 FROM accounts
    """,
    """
    INSERT INTO pending_bindings
    SELECT organization, project, 1, 'Scheduled', now(), 'account-1', '{}', '/source', 'type', '{}' FROM projects
    """,
    """
    INSERT INTO dead_letters (topic, partition, "offset", timestamp, reason, detail, recorded_at, organization, size)
    SELECT CASE n % 5 WHEN 0 THEN 'billing.projects' ELSE 'billing.admin-commands' END, n % 12, n, now(),
        CASE n % 7 WHEN 0 THEN 'Tombstone' ELSE 'InvalidFact' END, '', now(), 'org-' || n % 20, 0
    FROM generate_series(1, :rows) AS n
    """,
    """
    INSERT INTO replays (name, selection, target, partitions, until, spans, is_detached, state)
    SELECT 'replay-' || n, '{}', 'topic-' || n, 1, now(), '{}', false, 'Running' FROM generate_series(1, :rows / 4) AS n
    """,
    "INSERT INTO organizations SELECT 'org-' || n, NULL FROM generate_series(1, :rows / 4) AS n",
    "INSERT INTO former_payers SELECT organization, account, now() FROM accounts",
    """
    INSERT INTO payment_profiles (organization, payment_profile, kind, state, version, origin)
    SELECT organization, account, 'CreditCard', 'Valid', 1, '{}' FROM accounts
    """,
)
_TIMES = """
    UPDATE pg_class SET reltuples = reltuples * :times
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND reltuples > 100
"""


@asynccontextmanager
async def filled_in(addresses: Addresses, template: str, rows: int) -> AsyncIterator[ReadingPool]:
    """Yield a pool of the service's sessions to a database of so many rows, with the statistics of 1,000,000."""
    async with database(addresses, template) as (_, url):
        connection = await asyncpg.connect(**connect_arguments(url))
        try:
            for statement in _FILL:
                await connection.execute(statement.replace(":rows", str(rows)))
            await connection.execute("VACUUM ANALYZE")
            await connection.execute(_TIMES.replace(":times", str(PROJECTS // rows)))
        finally:
            await connection.close()
        async with reading_pool(url, pool_size=1, statement_seconds=60) as pool:
            yield pool


async def plans_of(connection: Any, statement: Statement | TextClause, values: dict[str, Any]) -> list[Any]:
    """Return the plan for these values, and the generic one, which the server may use after a few."""
    names = list(dict.fromkeys(_PARAMETER.findall(statement.text)))
    numbered = _PARAMETER.sub(lambda found: f"${names.index(found.group(1)) + 1}", statement.text)
    planned = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {numbered}", *(values[name] for name in names))
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE planned AS {numbered}")
    nulls = f"({', '.join(['NULL'] * len(names))})" if names else ""
    generic = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned{nulls}")
    await connection.execute("DEALLOCATE planned")
    return [json.loads(plan)[0]["Plan"] for plan in (planned, generic)]


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes, from the top."""
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes_of(inner)
