"""Stop checking with foreign keys that payers touch, which took half of a commit's time (docs/decisions/0010).

The columns and indexes that only the keys needed are dropped, too. Triggers enforced the promise until migration 0008
made tables in which there is nothing left to check; older databases are migrated past them in one transaction.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
oldest_code = "0005"


def upgrade() -> None:
    op.drop_constraint("bindings_touch_the_previous", "bindings")
    op.drop_constraint("bindings_superseded_have_a_successor", "bindings")
    op.drop_constraint("bindings_end", "bindings")
    op.drop_constraint("bindings_beginning", "bindings")
    op.drop_column("bindings", "previous_number")
    op.drop_column("bindings", "successor_number")
