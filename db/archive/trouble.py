"""Why the archive cannot be read.

HistoryDamaged
├── ArchiveDamaged         a file is missing, cut or altered
└── ArchiveNotConfigured   no setting says where the archive is
ConnectionError
└── ArchiveUnreachable     the storage does not respond: the same work may succeed later
"""

from db.history import HistoryDamaged


class ArchiveDamaged(HistoryDamaged):
    """A file of the archive is not what was written; the message names it."""


class ArchiveNotConfigured(HistoryDamaged):
    """The wanted rows are archived, and no archive is configured."""

    def __init__(self, shard: int, until: int) -> None:
        super().__init__(f"the log of shard {shard} up to {until} is archived: WHOPAYS_ARCHIVE_URL must say where")


class ArchiveUnreachable(ConnectionError):
    """The storage of the archive does not respond."""
