"""Record actions on dead letters, their organizations, and the places of their events (docs/decisions/0023).

For older dead letters, what can still be found is filled in: the organization from key and value, and the place of the
event from the log, as far as it is kept.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision = "0011"
down_revision = "0010"
oldest_code = "0011"

_PAGE = 1_000
_INSTANT = sa.DateTime(timezone=True)
_IDENTIFIER = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
# The overhead of AES-GCM: the nonce in front, the tag at the end.
_SEALING_BYTES = 28


def upgrade() -> None:
    connection = op.get_bind()
    report: Callable[[str], None] = context.config.attributes.get("report", lambda _: None)
    op.drop_index("dead_letters_by_number", "dead_letters")
    op.create_unique_constraint("dead_letters_number_key", "dead_letters", ["number"])
    _create_actions()
    for column in _NEW_COLUMNS:
        op.add_column("dead_letters", column)
    op.execute(
        f"""
        UPDATE dead_letters SET size = coalesce(octet_length(value), octet_length(sealed) - {_SEALING_BYTES}, 0),
            sha256 = sha256(value)
        """
    )
    _fill_in_organizations(connection)
    _fill_in_places(connection, report)
    op.alter_column("dead_letters", "size", nullable=False)
    op.create_check_constraint("dead_letters_origin_before", "dead_letters", "origin < number")
    op.create_index("dead_letters_by_organization", "dead_letters", ["organization", "number"])
    op.create_index("dead_letters_by_position", "dead_letters", ["shard", "position"])
    op.execute(
        """
        INSERT INTO dead_letter_actions (number, ordinal, action, by, at, redrive_id, sent_at)
        SELECT number, 1, 'Redriven', 'unknown', redriven_at, gen_random_uuid(), redriven_at
        FROM dead_letters WHERE redriven_at IS NOT NULL
        """
    )
    op.drop_column("dead_letters", "redriven_at")


def _create_actions() -> None:
    op.create_table(
        "dead_letter_actions",
        sa.Column("number", sa.BigInteger),
        sa.Column("ordinal", sa.Integer),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("redrive_id", sa.Uuid),
        sa.Column("sent_at", _INSTANT),
        sa.Column("partition", sa.Integer),
        sa.Column("offset", sa.BigInteger),
        sa.Column("timestamp", _INSTANT),
        sa.PrimaryKeyConstraint("number", "ordinal", name="dead_letter_actions_pkey"),
        sa.ForeignKeyConstraint(["number"], ["dead_letters.number"], name="dead_letter_actions_of_dead_letter"),
        sa.UniqueConstraint("redrive_id", name="dead_letter_actions_redrive_id_key"),
        sa.CheckConstraint("ordinal >= 1", name="dead_letter_actions_ordinal_from_one"),
        sa.CheckConstraint(
            "CASE action WHEN 'Redriven' THEN reason IS NULL AND redrive_id IS NOT NULL WHEN 'Discarded' THEN reason "
            "IS NOT NULL AND redrive_id IS NULL AND sent_at IS NULL AND partition IS NULL ELSE false END",
            name="dead_letter_actions_known",
        ),
        sa.CheckConstraint(
            '(partition IS NULL) = ("offset" IS NULL) AND (timestamp IS NULL OR partition IS NOT NULL) '
            "AND (partition IS NULL OR sent_at IS NOT NULL)",
            name="dead_letter_actions_place",
        ),
        comment="Who redrove or discarded which dead letter; a redriven record is known by its redrive_id, and taken "
        "once.",
    )


def _fill_in_organizations(connection: sa.Connection) -> None:
    for rows in _pages(connection, "SELECT number, reason, key, value FROM dead_letters WHERE number > :after"):
        found = [(row.number, _organization(row)) for row in rows]
        connection.execute(
            sa.text(
                """
                UPDATE dead_letters SET organization = found.organization
                FROM unnest(CAST(:numbers AS bigint[]), CAST(:names AS text[])) AS found(number, organization)
                WHERE dead_letters.number = found.number
                """
            ),
            {"numbers": [number for number, _ in found], "names": [name for _, name in found]},
        )


def _organization(row: Any) -> str | None:
    try:
        said = json.loads(row.value or b"")
        data = said.get("data", said)
        named = data.get("organization")
    except (ValueError, AttributeError, RecursionError):
        named = None
    if not isinstance(named, str) or not _IDENTIFIER.fullmatch(named):
        named = (row.key or b"").decode(errors="replace")
    return named if _IDENTIFIER.fullmatch(named) else None


def _fill_in_places(connection: sa.Connection, report: Callable[[str], None]) -> None:
    """Fill in the places of the events: the log is read once, if there are any dead letters."""
    if not connection.execute(sa.text("SELECT EXISTS (SELECT FROM dead_letters)")).scalar_one():
        return
    report("0011: looking for the dead letters in the log")
    connection.execute(sa.text(_TOLD))
    while rows := connection.execute(sa.text(f"FETCH {_PAGE} FROM told")).all():
        said = [(row, json.loads(row.value)["data"]) for row in rows]
        connection.execute(
            sa.text(_NOTE_PLACES),
            {
                "shards": [row.shard for row, _ in said],
                "positions": [row.position for row, _ in said],
                "instants": [row.recorded_at for row, _ in said],
                "topics": [data["topic"] for _, data in said],
                "partitions": [data["partition"] for _, data in said],
                "offsets": [data["offset"] for _, data in said],
                "timestamps": [data["timestamp"] for _, data in said],
                "sizes": [data["size"] for _, data in said],
                "hashes": [data["sha256"] for _, data in said],
            },
        )
    connection.execute(sa.text("CLOSE told"))


def _pages(connection: sa.Connection, query: str) -> Iterator[Any]:
    after = 0
    while rows := connection.execute(sa.text(f"{query} ORDER BY number LIMIT {_PAGE}"), {"after": after}).all():
        yield rows
        after = rows[-1].number


_NEW_COLUMNS = (
    sa.Column("organization", sa.Text),
    sa.Column("size", sa.BigInteger),
    sa.Column("sha256", sa.LargeBinary),
    sa.Column("shard", sa.SmallInteger),
    sa.Column("position", sa.BigInteger),
    sa.Column("origin", sa.BigInteger),
)
_TOLD = """
    DECLARE told NO SCROLL CURSOR FOR SELECT shard, position, recorded_at, value FROM log WHERE topic = 'dead-letters'
"""
_NOTE_PLACES = """
    UPDATE dead_letters SET shard = said.shard, position = said.position, recorded_at = said.instant,
        size = coalesce(said.size, dead_letters.size), sha256 = decode(said.sha256, 'hex')
    FROM unnest(CAST(:shards AS smallint[]), CAST(:positions AS bigint[]), CAST(:instants AS timestamptz[]),
            CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]),
            CAST(CAST(:timestamps AS text[]) AS timestamptz[]), CAST(:sizes AS bigint[]), CAST(:hashes AS text[]))
        AS said(shard, position, instant, topic, partition, "offset", timestamp, size, sha256)
    WHERE dead_letters.topic = said.topic AND dead_letters.partition = said.partition
        AND dead_letters."offset" = said."offset" AND dead_letters.timestamp = said.timestamp
"""
