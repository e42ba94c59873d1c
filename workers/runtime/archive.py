"""The archive of the log that this process is configured with."""

from db.archive.store import Store
from workers.runtime.settings import Settings


def archive_of(settings: Settings) -> Store | None:
    """Return the configured archive, if any. Raises ArchiveUnreachable if its kind is unknown."""
    url = settings.archive_url
    return None if url is None else Store(url.get_secret_value())
