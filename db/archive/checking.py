"""Reads a file of the archive, and checks every byte against the digests in the database."""

import hashlib
from collections.abc import Iterator

from db.archive.catalog import Part
from db.archive.files import ArchivedRow, Block, FileIndex, rows_of
from db.archive.store import Store
from db.archive.trouble import ArchiveDamaged


def index_of(store: Store, part: Part) -> FileIndex:
    """Return the index of a file. Raises ArchiveDamaged."""
    said = store.read(part.file, part.size - part.index_size, part.size)
    if hashlib.sha256(said).digest() != part.index_sha256:
        raise ArchiveDamaged(f"the index of {part.file} is cut or altered")
    return FileIndex.read(said)


def rows_in(store: Store, part: Part, block: Block) -> list[ArchivedRow]:
    """Return the rows of a block. Raises ArchiveDamaged."""
    return _rows(part, block, store.read(part.file, block.offset, block.offset + block.length))


def value_at(store: Store, part: Part, position: int) -> bytes:
    """Return the event at a position of a file. Raises ArchiveDamaged."""
    index = index_of(store, part)
    rows = rows_in(store, part, index.blocks[index.block_after(position - 1)])
    return rows[position - rows[0].row.position].row.value


def blocks_of(store: Store, part: Part) -> Iterator[list[ArchivedRow]]:
    """Yield the rows of a file, block by block; at the end the whole file has been checked. Raises ArchiveDamaged."""
    index = index_of(store, part)
    if (size := store.size(part.file)) != part.size:
        raise ArchiveDamaged(f"{part.file} has {size} bytes, not {part.size}")
    digest, offset = hashlib.sha256(), 0
    for block in index.blocks:
        said = store.read(part.file, block.offset, block.offset + block.length)
        if block.offset != offset:
            raise ArchiveDamaged(f"the index of {part.file} leaves something out")
        offset += block.length
        digest.update(said)
        yield _rows(part, block, said)
    digest.update(store.read(part.file, offset, part.size))
    if digest.digest() != part.sha256:
        raise ArchiveDamaged(f"{part.file} is altered: it has another SHA-256")


def _rows(part: Part, block: Block, said: bytes) -> list[ArchivedRow]:
    if hashlib.sha256(said).hexdigest() != block.sha256:
        raise ArchiveDamaged(
            f"{part.file} is cut or altered: positions {block.first_position} to {block.last_position} cannot be read"
        )
    try:
        return rows_of(said)
    except (ValueError, TypeError) as error:
        raise ArchiveDamaged(
            f"{part.file}: positions {block.first_position} to {block.last_position} are no rows ({error})"
        ) from None
