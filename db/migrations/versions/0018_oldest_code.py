"""Store which code works on the tables, so that earlier code can run beside later code (docs/decisions/0033)."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
oldest_code = "0016"


def upgrade() -> None:
    op.add_column("installation", sa.Column("oldest_code", sa.Text()))
