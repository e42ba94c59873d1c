"""Store who asked with each result in the log, searchable by person, and sealed with a command's dead letter.

Existing rows have neither, and keep their hashes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
oldest_code = "0014"


def upgrade() -> None:
    op.add_column("log", sa.Column("asked", sa.JSON))
    op.create_index(
        "log_by_asker",
        "log",
        ["boundary", sa.text("(asked ->> 'person')"), "position"],
        postgresql_where=sa.text("asked IS NOT NULL"),
    )
    op.add_column("dead_letters", sa.Column("asker", sa.LargeBinary))
    op.create_check_constraint(
        "dead_letters_asker_is_sealed", "dead_letters", "asker IS NULL OR wrapped_key IS NOT NULL"
    )
