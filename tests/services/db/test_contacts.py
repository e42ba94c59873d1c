"""Contacts are kept, cleared and erased one by one: whatever is done with one, the others stay."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.contacts import erase_contact, load_contact, store_contacts
from domain.state import AccountContact
from schemas.contact import Contact
from tests.services.db.records_of_each_kind import CONTACT
from tests.services.db.storing import KEYS

_PLACES = (("acme", "main"), ("acme", "lab"), ("globex", "main"), ("globex", "lab"))
_CONTACTS = {
    place: AccountContact(
        organization=place[0], account=place[1], contact=CONTACT.model_copy(update={"name": "/".join(place)})
    )
    for place in _PLACES
}


async def _names(connection: AsyncConnection) -> list[str | None]:
    """Return the name in each contact that can be read."""
    found: list[Contact | None] = [await load_contact(connection, *place, KEYS) for place in _PLACES]
    return [None if one is None else one.name for one in found]


async def test_what_is_done_with_a_contact_touches_no_other(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await _names(connection) == [None] * 4
        await store_contacts(connection, _CONTACTS.values(), KEYS)
        assert await _names(connection) == ["acme/main", "acme/lab", "globex/main", "globex/lab"]
        assert await erase_contact(connection, "acme", "main")
        assert await _names(connection) == [None, "acme/lab", "globex/main", "globex/lab"]
        assert not await erase_contact(connection, "acme", "main"), "it is erased"
        assert not await erase_contact(connection, "acme", "none")
        cleared = replace(_CONTACTS["globex", "lab"], contact=None)
        await store_contacts(connection, [cleared, _CONTACTS["acme", "main"]], KEYS)
        assert await _names(connection) == ["acme/main", "acme/lab", "globex/main", None]
