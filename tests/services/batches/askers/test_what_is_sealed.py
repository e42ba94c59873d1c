"""What dead letters and accounts keep sealed is opened by who audits: damage of each kind is found, and taken back."""

import json

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.redriven import about_asker
from db.sealed_troubles import unopenable_contacts, unopenable_letters
from db.sealing import KEY_BYTES, KeyEncryption, LocalKeys, Sealed, seal_together
from schemas.topics import Topic
from tests.services.batches.askers.guarded import ADMIN, Guarded, carrying, create
from tests.support.batches import records
from tests.support.installations import KEYS
from tests.support.messages import Said
from tests.support.tokens import TokenIssuer
from workers.runtime.settings import Settings

_ALTERED = "altered, or belong elsewhere"
_ONE = {"one": "number = (SELECT min(number) FROM dead_letters)"}
_OF_ANOTHER = "FROM dead_letters AS other WHERE dead_letters.{one} AND other.number > dead_letters.number + 1"
_LETTERS = {
    "asker = set_byte(asker, 20, get_byte(asker, 20) # 1) WHERE {one}": ("its sender", _ALTERED),
    "asker = 'x' WHERE {one}": ("its sender", _ALTERED),
    "asker = sealed WHERE {one}": ("its sender", _ALTERED),
    "asker = other.asker " + _OF_ANOTHER: ("its sender", _ALTERED),
    "(key_id, wrapped_key, asker, sealed) = (other.key_id, other.wrapped_key, other.asker, NULL) " + _OF_ANOTHER: (
        "its sender",
        _ALTERED,
    ),
    "wrapped_key = 'x', sealed = NULL WHERE {one}": ("its sender", _ALTERED),
    "key_id = 'gone', sealed = NULL WHERE {one}": ("its sender", '"gone" is not among'),
    "sealed = 'x' WHERE {one}": ("its value", _ALTERED),
    "sha256 = 'x' WHERE {one}": ("its value", "its SHA-256 is different"),
}
"""What is set, of which letter, and words that the finding contains."""
_CONTACT = {"name": "Mae", "emails": ["mae@example.com"]}


@pytest.fixture
async def letters(engine: AsyncEngine, issuer: TokenIssuer) -> AsyncEngine:
    """A database with dead letters of alice and of nobody, and two accounts with contacts."""
    alice = issuer.token("alice", ADMIN, iat=None)
    async with Guarded(engine, **issuer.configured) as guarded:
        await guarded(
            *records(
                carrying(alice, Said(Topic.ADMIN_COMMANDS, b"acme", b"{")),
                carrying(alice, Said(Topic.ADMIN_COMMANDS, b"acme", None)),
                Said(Topic.ADMIN_COMMANDS, b"acme", b"["),
                *(create(name, alice, contact=_CONTACT) for name in ("main", "other")),
            )
        )
    return engine


def _keys() -> KeyEncryption:
    return Settings(encryption_keys=json.loads(KEYS)).keys()


async def _found(engine: AsyncEngine, statement: str | None = None, keys: KeyEncryption | None = None) -> list[str]:
    """Return what is found after a statement, which is taken back."""
    async with engine.connect() as connection:
        if statement is not None:
            assert (await connection.execute(text(statement))).rowcount
        found = [trouble async for _, trouble in unopenable_letters(connection, keys or _keys())]
        found += [trouble async for _, trouble in unopenable_contacts(connection, keys or _keys())]
        await connection.rollback()
        return found


async def test_damage_to_what_is_sealed_is_found(letters: AsyncEngine) -> None:
    assert await _found(letters) == []
    for changed, words in _LETTERS.items():
        statement = " ".join(("UPDATE dead_letters SET", changed.format(**_ONE)))
        found = await _found(letters, statement)
        assert len(found) == 1, (statement, found)
        assert all(one in found[0] for one in words), (statement, found)
    of_another = (
        "UPDATE account_contacts SET (key_id, wrapped_key, sealed) = (other.key_id, other.wrapped_key, other.sealed) "
        "FROM account_contacts AS other WHERE account_contacts.account = 'main' AND other.account = 'other'"
    )
    (trouble,) = await _found(letters, of_another)
    assert trouble == f"its contact cannot be opened: the sealed bytes were {_ALTERED}"
    without = LocalKeys({"other": b"n" * KEY_BYTES}, "other")
    assert len(await _found(letters, keys=without)) == 7, "of two letters the value and who, of one who; two contacts"


async def test_what_is_sealed_well_and_says_nothing_is_found(letters: AsyncEngine) -> None:
    place = f"{Topic.ADMIN_COMMANDS}/0/0"
    (sealed,) = seal_together({about_asker(place): b'{"asker": "whoever"}'}, _keys()).values()
    assert isinstance(sealed, Sealed)
    async with letters.begin() as connection:
        await connection.execute(
            text(
                "UPDATE dead_letters SET key_id = :key, wrapped_key = :wrapped, asker = :sealed, sealed = NULL "
                'WHERE "offset" = 0'
            ),
            {"key": sealed.key_id, "wrapped": sealed.wrapped_key, "sealed": sealed.sealed},
        )
    assert await _found(letters) == ["its sender can be opened, but is invalid"]


async def test_what_was_erased_is_no_damage(letters: AsyncEngine) -> None:
    async with letters.begin() as connection:
        await connection.execute(text("UPDATE dead_letters SET wrapped_key = NULL, asker = NULL"))
        await connection.execute(text("UPDATE account_contacts SET wrapped_key = NULL"))
    assert await _found(letters) == []
