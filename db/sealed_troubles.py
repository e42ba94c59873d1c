"""Finds sealed data that cannot be opened or was altered: contacts, values of dead letters, and their senders."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.contacts import opened_contact
from db.dead_letters import about_dead_letter
from db.driver import driver
from db.redriven import opened_asker
from db.sealing import KeyEncryption, Sealed, Unopenable, unseal

_PREFETCH = 50
"""How many rows to prefetch: few, since values may be large."""

Row = Mapping[str, Any]


async def unopenable_contacts(connection: AsyncConnection, keys: KeyEncryption) -> AsyncIterator[tuple[str, str]]:
    """Yield the accounts whose contact cannot be opened or is invalid, each with the reason."""
    async for row in (await driver(connection)).cursor(_CONTACTS, prefetch=_PREFETCH):
        place = f"{row['organization']}/{row['account']}"
        try:
            opened_contact(row, row["organization"], row["account"], keys)
        except Unopenable as error:
            yield place, f"its contact cannot be opened: {error}"
        except ValidationError:
            yield place, "its contact can be opened, but is invalid"


async def unopenable_letters(connection: AsyncConnection, keys: KeyEncryption) -> AsyncIterator[tuple[int, str]]:
    """Yield what is wrong with the sealed data of dead letters, each with the dead letter's number."""
    async for row in (await driver(connection)).cursor(_LETTERS, prefetch=_PREFETCH):
        for trouble in (_value_trouble(row, keys), _asker_trouble(row, keys)):
            if trouble is not None:
                yield row["number"], trouble


def _value_trouble(letter: Row, keys: KeyEncryption) -> str | None:
    if letter["sealed"] is None:
        return None
    sealed = Sealed(letter["key_id"], letter["wrapped_key"], letter["sealed"])
    place = f"{letter['topic']}/{letter['partition']}/{letter['offset']}"
    try:
        value = unseal(sealed, about_dead_letter(place), keys)
    except Unopenable as error:
        return f"its value cannot be opened: {error}"
    if letter["sha256"] is not None and hashlib.sha256(value).digest() != letter["sha256"]:
        return "its value was altered: its SHA-256 is different"
    return None


def _asker_trouble(letter: Row, keys: KeyEncryption) -> str | None:
    try:
        opened_asker(letter, keys)
    except Unopenable as error:
        return f"its sender cannot be opened: {error}"
    except ValidationError:
        return "its sender can be opened, but is invalid"
    return None


# An erased contact has no key.
_CONTACTS = """
    SELECT organization, account, key_id, wrapped_key, sealed FROM account_contacts WHERE wrapped_key IS NOT NULL
    ORDER BY organization, account
"""
_LETTERS = """
    SELECT number, topic, partition, "offset", key_id, wrapped_key, sealed, asker, sha256
    FROM dead_letters WHERE wrapped_key IS NOT NULL ORDER BY number
"""
