"""The tables, and the named constraints that enforce promises (docs/architecture.md, "The database").

Every key starts with the column that its table is sharded by: the organization, or the shard of the log.
"""

from db.tables import of_organizations, of_readers, of_records, of_replays, of_the_archive, of_the_log
from db.tables.base import metadata

__all__ = [
    "metadata", "of_organizations", "of_readers", "of_records", "of_replays", "of_the_archive", "of_the_log",
]  # fmt: skip
