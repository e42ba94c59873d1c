"""${message}."""

${imports if imports else ""}
import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
# The last revision of the oldest code that works on these tables (docs/decisions/0033): that of the migration before, if
# all that ran until now goes on; this revision, if everything must be stopped.
oldest_code = ${repr(up_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
