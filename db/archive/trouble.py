"""Why the archive cannot be read.

HistoryDamaged
├── ArchiveDamaged         a file is missing, cut or altered
└── ArchiveNotConfigured   it is not said where the archive is
ConnectionError
└── ArchiveUnreachable     the storage is away: the same work may succeed later
"""

from db.history import HistoryDamaged


class ArchiveDamaged(HistoryDamaged):
    """A file of the archive is not the one that was written; the message names it."""


class ArchiveNotConfigured(HistoryDamaged):
    """What is wanted is in the archive, and it is not said where that is."""

    def __init__(self, shard: int, until: int) -> None:
        super().__init__(f"the log of shard {shard} up to {until} is archived: WHOPAYS_ARCHIVE_URL must say where")


class ArchiveUnreachable(ConnectionError):
    """The storage of the archive does not answer."""
