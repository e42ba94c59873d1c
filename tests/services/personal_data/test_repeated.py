"""A command that set a contact, sent again after that was erased: the id keeps its meaning, the contact is gone."""

from sqlalchemy.ext.asyncio import AsyncEngine

from db.contacts import erase_contact, load_contact
from schemas.contact import Contact
from tests.support.batches import batches
from tests.support.forgetting import forget_old_commands
from tests.support.model.said import Said
from tests.support.telling import tell, told

_NAMES = {"organization": "acme", "account": "a"}
_CREATE = Said("CreateAccount", "create", _NAMES)
_SET = Said("UpdateAccount", "set", _NAMES | {"contact": {"name": "Ada", "emails": ["ada@example.com"]}})
_OTHER = Said("UpdateAccount", "set", _NAMES | {"contact": {"name": "Ada", "emails": ["ada@example.org"]}})
_AGAIN = Said("UpdateAccount", "again", _SET.data)


async def test_an_erased_contact_does_not_come_back(engine: AsyncEngine) -> None:
    to = batches(engine)
    await tell(to, [_CREATE, _SET])
    assert await _contact(engine) is not None
    async with engine.begin() as connection:
        assert await erase_contact(connection, "acme", "a")
    before = await told(engine, "acme")
    await tell(to, [_SET])
    await forget_old_commands(engine)
    await tell(to, [_SET])
    assert (await _contact(engine), await told(engine, "acme")) == (None, before)
    await tell(to, [_OTHER])
    (*_, refused) = await told(engine, "acme")
    assert "CommandIdReused" in refused
    assert await _contact(engine) is None
    await tell(to, [_AGAIN])
    assert await _contact(engine) is not None, "by a command of its own it may be set"


async def _contact(engine: AsyncEngine) -> Contact | None:
    async with engine.connect() as connection:
        return await load_contact(connection, "acme", "a", batches(engine)._keys)
