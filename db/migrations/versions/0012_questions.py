"""Add the columns and indexes for the questions of docs/contract.md, section 11.

`inbox` gets the outcome of each command, and the project and account that it names; `account_phases` gets the places of
its events. Both are filled in from the log, as far as it is kept, in one pass, a page of rows at a time.
"""

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision = "0012"
down_revision = "0011"
oldest_code = "0012"

_PAGE = 5_000
_REPORT_EVERY = 100_000


def upgrade() -> None:
    connection = op.get_bind()
    report: Callable[[str], None] = context.config.attributes.get("report", lambda _: None)
    for name in ("outcome", "project", "account"):
        op.add_column("inbox", sa.Column(name, sa.Text(collation="C")))
    op.add_column("account_phases", sa.Column("shard", sa.SmallInteger))
    op.add_column("account_phases", sa.Column("position", sa.BigInteger))
    # The history itself does not change, only the places of its events are filled in.
    op.execute("ALTER TABLE account_phases DISABLE TRIGGER account_phases_append_only")
    noted = _fill_in(connection, report)
    op.execute("ALTER TABLE account_phases ENABLE TRIGGER account_phases_append_only")
    if noted:
        report("0012: making indexes")
    _create_indexes()
    op.execute("ANALYZE inbox, account_phases")


def _fill_in(connection: sa.Connection, report: Callable[[str], None]) -> int:
    """Fill in the places of results and phases, and return their number."""
    last = connection.execute(sa.text("SELECT coalesce(sum(position), 0) FROM shards")).scalar_one()
    read = 0
    connection.execute(sa.text(_TOLD))
    while rows := connection.execute(sa.text(f"FETCH {_PAGE} FROM told")).all():
        _note_results(connection, [row for row in rows if row.topic == "command-results"])
        _note_phases(connection, [row for row in rows if row.topic == "accounts"])
        read += len(rows)
        if read % _REPORT_EVERY < len(rows):
            report(f"0012: {read:,} results and phases of at most {last:,} events noted")
    connection.execute(sa.text("CLOSE told"))
    return read


def _note_results(connection: sa.Connection, rows: list[Any]) -> None:
    said = [(row.shard, row.position, data) for row in rows if (data := _data(row.value)) is not None]
    if said:
        values = {
            "shards": [shard for shard, _, _ in said],
            "positions": [position for _, position, _ in said],
            "organizations": [data["organization"] for _, _, data in said],
            "sources": [data["commandSource"] for _, _, data in said],
            "ids": [data["commandId"] for _, _, data in said],
            "outcomes": [data["outcome"] for _, _, data in said],
            "projects": [data.get("project") for _, _, data in said],
            "accounts": [data.get("account") for _, _, data in said],
        }
        connection.execute(sa.text(_NOTE_RESULTS), values)


def _data(value: bytes) -> dict[str, Any] | None:
    """Return the data of a result; None for a damaged row, which an audit reports."""
    try:
        data = json.loads(value)["data"]
        return data if {"organization", "commandSource", "commandId", "outcome"} <= data.keys() else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _note_phases(connection: sa.Connection, rows: list[Any]) -> None:
    if rows:
        subjects = [bytes(row.key).decode().partition("/") for row in rows]
        values = {
            "shards": [row.shard for row in rows],
            "positions": [row.position for row in rows],
            "organizations": [organization for organization, _, _ in subjects],
            "accounts": [account for _, _, account in subjects],
            "instants": [row.recorded_at for row in rows],
        }
        connection.execute(sa.text(_NOTE_PHASES), values)


def _create_indexes() -> None:
    op.create_index("inbox_by_outcome", "inbox", ["organization", "outcome", "position"])
    for name in ("project", "account"):
        op.create_index(
            f"inbox_by_{name}",
            "inbox",
            ["organization", name, "outcome", "position"],
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
    op.create_index("accounts_by_phase", "accounts", ["organization", "phase", sa.text('account COLLATE "C"')])
    for name, condition in (
        ("projects_unbound", "account IS NULL AND state <> 'Deleted'"),
        ("projects_inactive", "state = 'Inactive'"),
        ("projects_deleted", "state = 'Deleted'"),
    ):
        op.create_index(name, "projects", ["organization", "project"], postgresql_where=sa.text(condition))
    op.create_index("dead_letters_by_topic", "dead_letters", ["topic", "number"])
    op.create_index("dead_letters_by_reason", "dead_letters", ["reason", "number"])
    op.create_index(
        "log_by_account", "log", ["boundary", "key", "position"], postgresql_where=sa.text("topic = 'accounts'")
    )
    op.create_index("replays_by_beginning", "replays", ["begun_at", "name"])


# An account's events all have different instants, so the event of a phase is found by its instant.
_TOLD = """
    DECLARE told NO SCROLL CURSOR FOR
    SELECT shard, position, recorded_at, topic, key, CASE WHEN topic = 'command-results' THEN value END AS value
    FROM log WHERE topic IN ('command-results', 'accounts')
"""
# Only results that `inbox` points to: the latest of each command that claimed its id.
_NOTE_RESULTS = """
    UPDATE inbox SET outcome = said.outcome, project = said.project, account = said.account
    FROM unnest(CAST(:shards AS smallint[]), CAST(:positions AS bigint[]), CAST(:organizations AS text[]),
            CAST(:sources AS text[]), CAST(:ids AS text[]), CAST(:outcomes AS text[]), CAST(:projects AS text[]),
            CAST(:accounts AS text[]))
        AS said(shard, position, organization, source, command_id, outcome, project, account)
    WHERE inbox.organization = said.organization AND inbox.source = said.source
        AND inbox.command_id = said.command_id AND inbox.shard = said.shard AND inbox.position = said.position
"""
_NOTE_PHASES = """
    UPDATE account_phases SET shard = said.shard, position = said.position
    FROM unnest(CAST(:shards AS smallint[]), CAST(:positions AS bigint[]), CAST(:organizations AS text[]),
            CAST(:accounts AS text[]), CAST(:instants AS timestamptz[]))
        AS said(shard, position, organization, account, instant)
    WHERE account_phases.organization = said.organization AND account_phases.account = said.account
        AND account_phases.entered_at = said.instant
"""
