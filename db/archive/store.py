"""The storage of the archive's files: a folder, or anything that fsspec supports by URL (`s3://bucket/whopays`)."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from db.archive.trouble import ArchiveDamaged, ArchiveUnreachable

_UNFINISHED = ".unfinished"
_FORGOTTEN_SECONDS = 3600.0


class Store:
    """Reads and writes whole files, and reads ranges of them. Its methods block: call them in a thread.

    Under its name a file exists completely or not at all. The methods raise ArchiveDamaged if a file is missing, and
    ArchiveUnreachable if the storage does not respond. No message quotes the address, which may contain a password.
    """

    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415 - slow to import, and only needed with an archive

        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            kind = url.partition("://")[0] if "://" in url else "a folder"
            why = "needs a package that is not installed" if isinstance(error, ImportError) else "is unknown"
            raise ArchiveUnreachable(f"WHOPAYS_ARCHIVE_URL cannot be used: {kind} {why}") from None
        self._is_local = "file" in self._files.protocol

    def create(self, name: str) -> "NewFile":
        """Begin to write a file; an existing one of the same name stays until this one is complete."""
        with asking(name):
            return (
                _LocalFile(name, self._path(name)) if self._is_local else _Object(name, self._files, self._path(name))
            )

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file."""
        file = self.create(name)
        try:
            file.write(data)
            file.finish()
        finally:
            file.abandon()

    def read(self, name: str, begin: int | None = None, end: int | None = None) -> bytes:
        """Return the bytes of a file, or a range of them."""
        with asking(name):
            found: bytes = self._files.cat_file(self._path(name), start=begin, end=end)
            return found

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        with asking(name):
            self._files.invalidate_cache()
            return int(self._files.size(self._path(name)))

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


class NewFile:
    """A file that is being written. After `finish`, `abandon` does nothing."""

    def __init__(self, name: str, file: Any) -> None:
        self._name = name
        self._file = file
        self._is_open = True

    def write(self, data: bytes) -> None:
        """Append data."""
        with asking(self._name):
            self._file.write(data)

    def finish(self) -> None:
        """Complete the file, which then appears under its name."""
        with asking(self._name):
            self._finish()
        self._is_open = False

    def abandon(self) -> None:
        """Discard everything written so far."""
        if self._is_open:
            self._is_open = False
            with suppress(Exception):
                self._abandon()

    def _finish(self) -> None:
        raise NotImplementedError

    def _abandon(self) -> None:
        raise NotImplementedError


class _LocalFile(NewFile):
    def __init__(self, name: str, path: str) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for left in self._path.parent.glob(f"{self._path.name}.*{_UNFINISHED}"):
            # Left over from a process that was killed.
            if time.time() - left.stat().st_mtime > _FORGOTTEN_SECONDS:
                left.unlink(missing_ok=True)
        self._unfinished = self._path.with_name(f"{self._path.name}.{uuid4().hex}{_UNFINISHED}")
        super().__init__(name, self._unfinished.open("wb"))

    def _finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._unfinished.replace(self._path)
        # Make the file's and the folder's directory entries durable, too.
        for folder in (self._path.parent, self._path.parent.parent):
            opened = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)

    def _abandon(self) -> None:
        self._file.close()
        self._unfinished.unlink()


class _Object(NewFile):
    def __init__(self, name: str, files: Any, path: str) -> None:
        super().__init__(name, files.open(path, "wb"))

    def _finish(self) -> None:
        self._file.close()

    def _abandon(self) -> None:
        # Closing it, even in its finalizer, would publish the part written so far.
        self._file.discard()
        self._file.closed = True


@contextmanager
def asking(name: str) -> Iterator[None]:
    """Turn the errors of storages into our own."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ArchiveDamaged(f"{name} is missing in the archive") from None
    except Exception as error:
        # Each storage library has its own errors.
        raise ArchiveUnreachable(f"{name} cannot be reached in the archive ({type(error).__name__})") from error
