"""Sealing: what is sealed opens with its keys, for what it is about, unaltered; and not otherwise."""

from base64 import b64decode
from dataclasses import asdict, replace

import pytest

from db.rewrapping import Outdated
from db.sealing import KEY_BYTES, LocalKeys, Sealed, Unopenable, fresh_key, seal, unseal

OLD, NEW = bytes(32), bytes(range(32))
KEYS = LocalKeys({"old": OLD}, "old")
PIECE = "Zoë Größenwahn".encode()


def test_what_is_sealed_opens_and_shows_nothing_of_itself() -> None:
    for piece in (PIECE, b"", bytes(300_000)):
        sealed = seal(piece, "contact:acme/a", KEYS)
        assert unseal(sealed, "contact:acme/a", KEYS) == piece
        assert sealed.key_id == "old"
        assert not piece or piece not in sealed.sealed + sealed.wrapped_key


def test_what_earlier_versions_sealed_still_opens() -> None:
    wrapped = "f92f845eab6d54b89849b9b832ba9a5572c192d8fff05c67b9696502c013a7b6b46fe8e1dbcc0e007edd4b8340efa6a1"
    wrapped += "cf919964303b77d667086bc2"
    sealed = "0ec83476c8ebb4aa0da80b62a8215b2ee031aaf3975f4d38a949556f3a691c8fe4828d122c0dce367412f93083"
    assert unseal(Sealed("old", bytes.fromhex(wrapped), bytes.fromhex(sealed)), "contact:acme/a", KEYS) == PIECE


def test_the_same_is_never_sealed_to_the_same() -> None:
    first, second = (seal(PIECE, "contact:acme/a", KEYS) for _ in range(2))
    assert first.sealed != second.sealed
    assert first.wrapped_key != second.wrapped_key


@pytest.mark.parametrize("about", ("contact:acme/b", "dead-letter:acme/a", ""))
def test_what_is_sealed_for_one_thing_does_not_open_for_another(about: str) -> None:
    with pytest.raises(Unopenable, match="belong elsewhere"):
        unseal(seal(PIECE, "contact:acme/a", KEYS), about, KEYS)


def test_altered_bytes_do_not_open() -> None:
    sealed = seal(PIECE, "about", KEYS)
    for name in ("sealed", "wrapped_key"):
        original: bytes = getattr(sealed, name)
        altered = [bytes([*original[:at], original[at] ^ 1, *original[at + 1 :]]) for at in range(len(original))]
        for content in (*altered, original[:-1], original[:12], original[:5], b""):
            with pytest.raises(Unopenable):
                unseal(Sealed(**{**asdict(sealed), name: content}), "about", KEYS)


def test_the_key_of_one_piece_does_not_open_another() -> None:
    first, second = (seal(PIECE, "about", KEYS) for _ in range(2))
    with pytest.raises(Unopenable):
        unseal(replace(first, wrapped_key=second.wrapped_key), "about", KEYS)


def test_a_new_key_takes_over_while_the_old_one_still_opens() -> None:
    before = seal(PIECE, "about", KEYS)
    both = LocalKeys({"old": OLD, "new": NEW}, "new")
    after = seal(PIECE, "about", both)
    assert (both.active, after.key_id) == ("new", "new")
    assert unseal(before, "about", both) == unseal(after, "about", both) == PIECE
    rewrapped = replace(before, key_id="new", wrapped_key=both.wrap(both.unwrap("old", before.wrapped_key))[1])
    only_new = LocalKeys({"new": NEW}, "new")
    assert unseal(rewrapped, "about", only_new) == PIECE
    with pytest.raises(Unopenable, match='key-encryption key "old" is not among WHOPAYS_ENCRYPTION_KEYS'):
        unseal(before, "about", only_new)


def test_another_key_under_the_same_id_opens_nothing() -> None:
    with pytest.raises(Unopenable):
        unseal(seal(PIECE, "about", KEYS), "about", LocalKeys({"old": NEW}, "old"))


def test_a_wrapped_key_belongs_to_its_id() -> None:
    sealed = seal(PIECE, "about", KEYS)
    with pytest.raises(Unopenable):
        unseal(replace(sealed, key_id="twin"), "about", LocalKeys({"twin": OLD}, "twin"))


def test_a_fresh_key_is_as_long_as_it_must_be_and_another_each_time() -> None:
    keys = {fresh_key() for _ in range(10)}
    assert len(keys) == 10
    assert {len(b64decode(key, validate=True)) for key in keys} == {KEY_BYTES}


def test_what_is_wrapped_under_an_older_key_is_counted_in_all() -> None:
    assert Outdated(contacts=3, dead_letters=2).total == 5
