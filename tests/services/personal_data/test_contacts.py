"""Contacts and sealed dead letters in a real database: stored, replaced, cleared, erased, and rewrapped."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.contacts import erase_contact, load_contact, store_contacts
from db.dead_letter_actions import discard
from db.dead_letters import Choice, find_dead_letters, numbers_of, value_of
from db.rewrapping import Outdated, outdated, rewrap
from db.sealing import LocalKeys, Unopenable
from domain.dead_letters import Dead
from domain.state import AccountContact
from schemas.contact import Contact
from schemas.records import DeadLetterReason, Record
from tests.services.personal_data.planted import CONTACT
from tests.support.letters import keep_letters

OLD = LocalKeys({"old": bytes(32)}, "old")
BOTH = LocalKeys({"old": bytes(32), "new": bytes(range(32))}, "new")
NEW = LocalKeys({"new": bytes(range(32))}, "new")
NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)


def contact(**changes: Any) -> Contact:
    return Contact.model_validate(CONTACT | changes, by_alias=True, by_name=False)


async def keep(connection: AsyncConnection, keys: LocalKeys, **contacts: Contact | None) -> None:
    kept = [AccountContact(organization="acme", account=name, contact=one) for name, one in contacts.items()]
    await store_contacts(connection, kept, keys)


async def rows(connection: AsyncConnection) -> list[Any]:
    return list(await connection.execute(text("SELECT * FROM account_contacts ORDER BY account")))


def dead(offset: int, reason: DeadLetterReason = DeadLetterReason.UNDECODABLE, *, is_private: bool = True) -> Dead:
    headers = (("a", b"1"), ("a", None), ("nul\0", b"\xff"))
    record = Record("t.admin-commands", 0, offset, NOW, b"acme", headers, f"value {offset}".encode())
    return Dead(record, reason, "broken", is_private, "acme")


async def test_a_contact_is_kept_replaced_and_cleared(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        assert await load_contact(connection, "acme", "a", OLD) is None
        await keep(connection, OLD, a=contact(), b=contact(name="B"))
        assert await load_contact(connection, "acme", "a", OLD) == contact()
        before = await rows(connection)
        await keep(connection, BOTH, a=contact(name="Other"))
        assert await load_contact(connection, "acme", "a", BOTH) == contact(name="Other")
        assert await load_contact(connection, "acme", "b", BOTH) == contact(name="B")
        after = await rows(connection)
        assert (after[0].key_id, after[1]) == ("new", before[1])
        assert after[0].sealed != before[0].sealed
        await keep(connection, BOTH, a=None)
        assert await load_contact(connection, "acme", "a", BOTH) is None
        assert [row.account for row in await rows(connection)] == ["b"]


async def test_a_contact_of_another_account_is_no_contact_of_this_one(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await keep(connection, OLD, a=contact(), b=contact(name="B"))
        await connection.execute(
            text(
                """
                UPDATE account_contacts SET wrapped_key = other.wrapped_key, sealed = other.sealed
                FROM account_contacts AS other WHERE account_contacts.account = 'a' AND other.account = 'b'
                """
            )
        )
        with pytest.raises(Unopenable):
            await load_contact(connection, "acme", "a", OLD)


async def test_an_erased_contact_is_gone_for_good_and_may_be_given_again(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        assert not await erase_contact(connection, "acme", "a")
        await keep(connection, OLD, a=contact(), b=contact())
        assert await erase_contact(connection, "acme", "a")
        assert not await erase_contact(connection, "acme", "a")
        assert await load_contact(connection, "acme", "a", OLD) is None
        assert await load_contact(connection, "acme", "b", OLD) == contact()
        assert [row.wrapped_key is None for row in await rows(connection)] == [True, False]
        await rewrap(connection, BOTH, 10)
        assert [row.key_id for row in await rows(connection)] == ["old", "new"]
        await keep(connection, BOTH, a=contact(name="Again"))
        assert await load_contact(connection, "acme", "a", BOTH) == contact(name="Again")


async def test_contacts_and_dead_letters_are_wrapped_anew_a_few_at_a_time(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await keep(connection, OLD, **{f"a{number}": contact(name=f"N{number}") for number in range(5)})
        await keep(connection, BOTH, b=contact())
        await keep_letters(connection, [dead(1), dead(2), dead(3, is_private=False)], NOW, OLD)
        sealed = [row.sealed for row in await rows(connection)]
        assert await outdated(connection, BOTH) == Outdated(contacts=5, dead_letters=2)
    done: list[int] = []
    while not done or done[-1]:
        async with engine.begin() as connection:
            done.append(await rewrap(connection, BOTH, 2))
    assert done == [4, 2, 1, 0]
    async with engine.begin() as connection:
        assert (await outdated(connection, BOTH)).total == 0
        assert [row.sealed for row in await rows(connection)] == sealed, "only the keys are wrapped again"
        for number in range(5):
            assert await load_contact(connection, "acme", f"a{number}", NEW) == contact(name=f"N{number}")
        letters = await find_dead_letters(connection, [number for number, _ in await numbers_of(connection, Choice())])
        assert [value_of(letter, NEW) for letter in letters] == [b"value 1", b"value 2", b"value 3"]


async def test_without_the_old_key_nothing_is_wrapped_again(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await keep(connection, OLD, a=contact())
    with pytest.raises(Unopenable, match='"old" is not among'):
        async with engine.begin() as connection:
            await rewrap(connection, NEW, 10)
    async with engine.begin() as connection:
        assert await load_contact(connection, "acme", "a", OLD) == contact()


async def test_what_a_worker_writes_at_the_time_is_not_waited_for(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await keep(connection, OLD, a=contact(), b=contact())
    async with engine.begin() as worker:
        await keep(worker, BOTH, a=contact(name="Other"))
        async with engine.begin() as connection:
            assert await rewrap(connection, BOTH, 10) == 1
    async with engine.begin() as connection:
        assert (await outdated(connection, BOTH)).total == 0
        assert await load_contact(connection, "acme", "a", NEW) == contact(name="Other")


async def test_dead_letters_are_found_and_opened(engine: AsyncEngine) -> None:
    card = dead(4, DeadLetterReason.CARD_NUMBER)
    tombstone = dead(5, DeadLetterReason.TOMBSTONE)
    tombstone = replace(tombstone, record=replace(tombstone.record, value=None, key=None, headers=()))
    async with engine.begin() as connection:
        await keep_letters(connection, [dead(1), dead(2), dead(3, is_private=False), card, tombstone], NOW, OLD)
        numbers = [number for number, _ in await numbers_of(connection, Choice())]
        letters = {letter.record.offset: letter for letter in await find_dead_letters(connection, numbers)}
        assert list(letters) == [1, 2, 3, 4, 5]
        assert value_of(letters[1], OLD) == b"value 1"
        assert letters[1].record == replace(dead(1).record, value=None), "sealed"
        assert letters[1].recorded_at == NOW
        assert (letters[3].record, letters[3].sealed) == (dead(3).record, None)
        assert letters[4].record == replace(card.record, key=None, headers=(), value=None)
        assert letters[4].sealed is None
        assert letters[5].record == tombstone.record
        assert [letters[offset].is_kept for offset in letters] == [True, True, True, False, True]
        with pytest.raises(Unopenable):
            value_of(replace(letters[1], sealed=letters[2].sealed), OLD)


async def test_what_is_discarded_and_erased_opens_no_more(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await keep_letters(connection, [dead(1), dead(2), dead(3, is_private=False), dead(4)], NOW, OLD)
        numbers = [number for number, _ in await numbers_of(connection, Choice())]
        await discard(connection, numbers[:1], "ada", "a test")
        await discard(connection, numbers[:3], "ada", "personal", erases=True)
        *all_erased, left_alone = await find_dead_letters(connection, numbers)
        assert value_of(left_alone, OLD) == b"value 4"
        for erased in all_erased:
            assert (erased.is_kept, erased.is_sealed) == (False, False)
            assert erased.sealed is None
            assert value_of(erased, OLD) is None
            assert (erased.record.key, erased.record.headers, erased.size) == (None, (), 7)
        assert (await outdated(connection, BOTH)).dead_letters == 1
        left = await connection.execute(text("SELECT count(*) FROM dead_letters WHERE sealed IS NOT NULL"))
        assert left.scalar_one() == 1
