"""Record when dead letters are redriven, and number them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
oldest_code = "0003"


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("redriven_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("dead_letters_by_number", "dead_letters", ["number"], unique=False)
