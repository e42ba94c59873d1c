"""Migration 0012: what results and phases are found by is filled in from the log, as far as it is kept."""

import json
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.migrate import migrate
from tests.services.db.earlier_tables import SHARDS, migrated_to, run

_LOG = "INSERT INTO log VALUES (3, {}, '2026-07-01T12:00:0{}Z', '{}', '{}', '{}', '')"
_INBOX = "INSERT INTO inbox VALUES ('acme', '/shop', '{}', '', 3, {})"
_PHASE = """
    INSERT INTO account_phases
    VALUES ('acme', 'main', {}, {}, '{}', 'Created', '', 'alice', 'c', '2026-07-01T12:00:0{}Z')
"""

_CLAIMED = (("waited", 5), ("bound", 6), ("damaged", 7), ("archived", 1), ("of none", 9))


def _result(command_id: str, outcome: str, **names: str) -> str:
    data: dict[str, Any] = {
        "organization": "acme", "commandSource": "/shop", "commandId": command_id, "outcome": outcome,
    }  # fmt: skip
    return json.dumps({"data": data | names})


async def test_what_is_found_by_is_filled_in(empty: AsyncEngine) -> None:
    await migrated_to(empty, "0011")
    await run(
        empty,
        "CREATE TABLE log_p0 PARTITION OF log FOR VALUES FROM (0) TO (1000000)",
        "INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds) "
        "VALUES ('acme', 'main', 1, 3, 4, 'Provisioning', '[]', '[]')",
        *(
            _INBOX.format(*row)
            for row in (("waited", 5), ("bound", 6), ("damaged", 7), ("archived", 1), ("of none", 9))
        ),
        # It was archived where the first phase was told.
        _PHASE.format(1, "NULL", "Provisioning", 0),
        _PHASE.format(2, "'Provisioning'", "Ready", 2),
        _PHASE.format(3, "'Ready'", "Provisioning", 3),
        _LOG.format(2, 2, "accounts", "acme/main", "{}"),
        _LOG.format(3, 3, "accounts", "acme/main", "{}"),
        _LOG.format(4, 4, "command-results", "acme", _result("waited", "Waiting", project="web", account="main")),
        _LOG.format(5, 5, "command-results", "acme", _result("waited", "Rejected", project="web", account="main")),
        _LOG.format(6, 6, "command-results", "acme", _result("bound", "Applied", account="main")),
        _LOG.format(7, 7, "command-results", "acme", "damaged"),
        # Another command of the same id claimed nothing.
        _LOG.format(8, 8, "command-results", "acme", _result("bound", "Rejected", project="api")),
        _LOG.format(9, 9, "command-results", "acme", _result("of none", "Applied")),
    )
    reported: list[str] = []
    await migrate(empty, "here", SHARDS, report=reported.append)
    async with empty.connect() as connection:
        inbox = await connection.execute(text("SELECT command_id, outcome, project, account FROM inbox ORDER BY 1"))
        phases = await connection.execute(text("SELECT number, shard, position FROM account_phases ORDER BY 1"))
        assert [tuple(row) for row in inbox] == [
            ("archived", None, None, None),
            ("bound", "Applied", None, "main"),
            ("damaged", None, None, None),
            ("of none", "Applied", None, None),
            ("waited", "Rejected", "web", "main"),
        ]
        known = await connection.execute(text("SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'public'"))
        assert {"inbox", "account_phases"} <= {*known.scalars()}, "the first plans know how many there are"
        assert [tuple(row) for row in phases] == [(1, None, None), (2, 3, 2), (3, 3, 3)]
    assert reported == ["0012: making indexes"]
