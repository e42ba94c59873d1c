"""The tables, and the promises that their named constraints hold (docs/architecture.md, "The database").

Every key starts with what its table is sharded by: the organization, or the shard of the log.
"""

from db.tables import of_organizations, of_readers, of_records, of_replays, of_the_archive, of_the_log
from db.tables.base import metadata

__all__ = [
    "metadata", "of_organizations", "of_readers", "of_records", "of_replays", "of_the_archive", "of_the_log",
]  # fmt: skip
