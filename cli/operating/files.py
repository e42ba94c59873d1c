"""Writes files atomically."""

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from cli.terminal.ending import CommandFailed

FormatName = Literal["parquet", "csv", "ndjson"]
"""The formats in which intervals are exported."""


class Hashed(io.RawIOBase):
    """A file that passes all writes on to another file, and counts and hashes the bytes."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._sha256 = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes written, in hexadecimal digits."""
        return self._sha256.hexdigest()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: "bytes | memoryview", /) -> int:  # type: ignore[override]  # only these buffers are passed
        """Write all of `data`."""
        view = memoryview(data)
        self._out.write(view)
        self._sha256.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self.size


@contextmanager
def written_whole(file: Path, *, may_overwrite: bool) -> Iterator[IO[bytes]]:
    """Open a file to be written atomically: its previous content stays until everything is on the disk.

    Raises CommandFailed if the file exists and may not be overwritten, or cannot be written.
    """
    if file.exists() and not file.is_file():
        # A pipe or a terminal: it has no content to overwrite, and must not be replaced.
        with file.open("wb") as out:
            yield out
        return
    if file.exists() and not may_overwrite:
        raise CommandFailed(f"{file} exists already. Overwrite it with --force, or name another file.")
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        out = unfinished.open("wb")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror}.") from None
    try:
        with out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
        _keep_names(file.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _keep_names(folder: Path) -> None:
    """Sync the entries of a folder to the disk, too."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
