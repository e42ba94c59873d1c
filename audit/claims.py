"""Compares sets of command ids without holding them: by their number and the sum of their digests."""

import hashlib
from dataclasses import dataclass

Command = tuple[str, str, str]
"""Organization, source and id of a command."""

_MODULUS = 1 << 192


@dataclass(slots=True)
class ClaimedIds:
    """A set of command ids; two are equal if the same ids were added, in any order."""

    number: int = 0
    total: int = 0

    def add(self, digest: bytes) -> None:
        """Add a command by its digest."""
        self.number += 1
        # Hashed once more, so that ids cannot be planted in the database whose sum makes up for missing ones.
        self.total = (self.total + int.from_bytes(hashlib.sha256(digest).digest()[:24], "big")) % _MODULUS


def digest_of(command: Command) -> bytes:
    """Return the digest of a command, equal to the database's `command_digest`."""
    organization, source, command_id = (part.encode() for part in command)
    of_id = organization + b"\0" + command_id
    return hashlib.sha256(of_id).digest()[:16] + hashlib.sha256(of_id + b"\0" + source).digest()[:8]
