"""Payers that touch are no longer checked by keys, which took half of the time of a commit (docs/decisions/0010).

The columns and indexes that only the keys needed go with them. Triggers held the promise until migration 0008 made
tables in which there is nothing left to check; whoever comes from before is migrated past them in one transaction.
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
