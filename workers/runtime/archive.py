"""Where this process finds the archive of the log."""

from db.archive.store import Store
from workers.runtime.settings import Settings


def archive_of(settings: Settings) -> Store | None:
    """Return the archive that is configured, if one is. Raises ArchiveUnreachable where its kind is not known."""
    url = settings.archive_url
    return None if url is None else Store(url.get_secret_value())
