"""Contacts of accounts: sealed when stored, opened when asked for, erased by destroying their keys."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch
from db.sealing import KeyEncryption, Sealed, seal, unseal
from domain.state import AccountContact
from schemas.contact import Contact
from schemas.policy import STORED


async def store_contacts(connection: AsyncConnection, contacts: Iterable[AccountContact], keys: KeyEncryption) -> None:
    """Write contacts, each under a new data key; clearing one deletes its row, and the key with it."""
    for contact in contacts:
        names = {"organization": contact.organization, "account": contact.account}
        if contact.contact is None:
            await connection.execute(_FORGET, names)
            continue
        sealed = seal(contact.contact.model_dump_json().encode(), _about(contact.organization, contact.account), keys)
        values = {"key_id": sealed.key_id, "wrapped_key": sealed.wrapped_key, "sealed": sealed.sealed}
        await connection.execute(_KEEP, names | values)


async def load_contact(
    connection: AsyncConnection, organization: str, account: str, keys: KeyEncryption
) -> Contact | None:
    """Return an account's contact; None if it has none, or it was erased. Raises Unopenable."""
    rows = await fetch(connection, _FIND, organization=organization, account=account)
    if not rows or rows[0]["wrapped_key"] is None:
        return None
    return opened_contact(rows[0], organization, account, keys)


def opened_contact(row: Mapping[str, Any], organization: str, account: str, keys: KeyEncryption) -> Contact:
    """Return an account's contact from its sealed row. Raises Unopenable, and ValidationError for an invalid one."""
    sealed = Sealed(row["key_id"], row["wrapped_key"], row["sealed"])
    opened = unseal(sealed, _about(organization, account), keys)
    return Contact.model_validate_json(opened, context=STORED)


async def erase_contact(connection: AsyncConnection, organization: str, account: str) -> bool:
    """Destroy the data key of an account's contact, which makes it unreadable. Return False if there was none."""
    names = {"organization": organization, "account": account}
    return (await connection.execute(_ERASE, names)).rowcount > 0


def _about(organization: str, account: str) -> str:
    return f"contact:{organization}/{account}"


_FORGET = text("DELETE FROM account_contacts WHERE organization = :organization AND account = :account")
_KEEP = text(
    """
    INSERT INTO account_contacts (organization, account, key_id, wrapped_key, sealed)
    VALUES (:organization, :account, :key_id, :wrapped_key, :sealed)
    ON CONFLICT (organization, account) DO UPDATE
        SET key_id = excluded.key_id, wrapped_key = excluded.wrapped_key, sealed = excluded.sealed
    """
)
_FIND = text(
    """
    SELECT key_id, wrapped_key, sealed FROM account_contacts
    WHERE organization = :organization AND account = :account
    """
)
_ERASE = text(
    """
    UPDATE account_contacts SET wrapped_key = NULL
    WHERE organization = :organization AND account = :account AND wrapped_key IS NOT NULL
    """
)
