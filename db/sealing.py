"""Personal data at rest: each piece is sealed under its own data key, which is wrapped by a key-encryption key.

Destroying a data key erases what it sealed. Key-encryption keys have ids, so that a new one can take over while old
ones still unwrap what they wrapped.
"""

import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
"""Length of a key-encryption key: AES-256."""

_NONCE_BYTES = 12


class Unopenable(Exception):
    """A sealed piece cannot be opened: its key-encryption key is missing, or the bytes were altered."""


class UnknownKey(Unopenable):
    """The key-encryption key of a sealed piece is not among those that this process was given."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed piece: the id of the key-encryption key, the data key wrapped under it, and the piece itself."""

    key_id: str
    wrapped_key: bytes
    sealed: bytes


class KeyEncryption(Protocol):
    """Wraps and unwraps data keys. It is called while a transaction is open, so it must answer from memory.

    An implementation for a cloud key management service decrypts the key-encryption keys when the process starts.
    """

    @property
    def active(self) -> str:
        """The id of the key-encryption key that wraps new data keys."""
        ...

    def wrap(self, data_key: bytes) -> tuple[str, bytes]:
        """Wrap a data key; return the id of the active key-encryption key, and the wrapped key."""
        ...

    def unwrap(self, key_id: str, wrapped_key: bytes) -> bytes:
        """Return the data key. Raises Unopenable."""
        ...


class LocalKeys:
    """Key-encryption keys (32 bytes each, by id) from the settings; `active` wraps new data keys."""

    def __init__(self, keys: Mapping[str, bytes], active: str) -> None:
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._active = active

    @property
    def active(self) -> str:
        """The id of the key that wraps new data keys."""
        return self._active

    def wrap(self, data_key: bytes) -> tuple[str, bytes]:
        """Wrap a data key under the active key."""
        return self._active, _encrypt(self._keys[self._active], data_key, self._active.encode())

    def unwrap(self, key_id: str, wrapped_key: bytes) -> bytes:
        """Unwrap a data key. Raises Unopenable."""
        if key_id not in self._keys:
            raise UnknownKey(f'the key-encryption key "{key_id}" is not among WHOPAYS_ENCRYPTION_KEYS')
        return _decrypt(self._keys[key_id], wrapped_key, key_id.encode())


def fresh_key() -> str:
    """Return a new key-encryption key: 32 random bytes, in base64."""
    return b64encode(os.urandom(KEY_BYTES)).decode()


def seal(piece: bytes, about: str, keys: KeyEncryption) -> Sealed:
    """Seal a piece under a new data key; it opens only for the same `about`."""
    (sealed,) = seal_together({about: piece}, keys).values()
    return sealed


def seal_together(pieces: Mapping[str, bytes], keys: KeyEncryption) -> dict[str, Sealed]:
    """Seal pieces under one new data key; each opens only for the `about` it is keyed by in the mapping."""
    data_key = AESGCM.generate_key(bit_length=256)
    key_id, wrapped = keys.wrap(data_key)
    cipher = AESGCM(data_key)
    return {about: Sealed(key_id, wrapped, _encrypt(cipher, piece, about.encode())) for about, piece in pieces.items()}


def unseal(sealed: Sealed, about: str, keys: KeyEncryption) -> bytes:
    """Open a sealed piece. Raises Unopenable."""
    data_key = keys.unwrap(sealed.key_id, sealed.wrapped_key)
    return _decrypt(AESGCM(data_key), sealed.sealed, about.encode())


def _encrypt(cipher: AESGCM, piece: bytes, about: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, piece, about)


def _decrypt(cipher: AESGCM, piece: bytes, about: bytes) -> bytes:
    try:
        return cipher.decrypt(piece[:_NONCE_BYTES], piece[_NONCE_BYTES:], about)
    except (InvalidTag, ValueError) as error:
        raise Unopenable("the sealed bytes were altered, or belong elsewhere") from error
