"""Sort the projects of an account in byte order, whatever the database's collation."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
oldest_code = "0004"


def upgrade() -> None:
    op.alter_column("bindings", "project", type_=sa.Text(collation="C"))
