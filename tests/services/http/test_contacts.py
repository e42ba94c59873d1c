"""Balance and contact are told to whom section 12 of the contract allows, the contact where the server can open it."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from db.contacts import store_contacts
from db.engine import create_engine
from db.sealing import LocalKeys
from domain.state import AccountContact
from embedded import Addresses
from schemas.contact import Contact
from tests.services.http.rights import ACME, Guarded, document_at, grant
from tests.services.http.served import serving
from tests.services.personal_data.planted import CONTACT
from tests.services.questions.story import tell
from tests.support.installations import database
from tests.support.tokens import TokenIssuer
from workers.runtime.settings import Settings

_KEYS = {"old": bytes(32), "new": bytes(range(32))}
_MAIN, _SPARE = f"{ACME}/accounts/main", f"{ACME}/accounts/spare"


@asynccontextmanager
async def _opening(addresses: Addresses, template: str, issuer: TokenIssuer, *known: str) -> AsyncIterator[Guarded]:
    """Yield a server that has some of the keys, and knows a contact of main, sealed with the old one."""
    async with database(addresses, template) as (name, url):
        engine = create_engine(url)
        try:
            await tell(engine)
            contact = Contact.model_validate(CONTACT, by_alias=True, by_name=False)
            async with engine.begin() as connection:
                kept = AccountContact(organization="acme", account="main", contact=contact)
                await store_contacts(connection, [kept], LocalKeys(_KEYS, "old"))
            more: Any = {"encryption_keys": {key: b64encode(_KEYS[key]).decode() for key in known}}
            if known:
                more["encryption_key_id"] = known[-1]
            settings = Settings(database_url=url, installation=name, auth="jwt", issuers=issuer.configured, **more)
            async with serving(engine, settings) as served:
                yield Guarded(served, issuer)
        finally:
            await engine.dispose()


@pytest.mark.parametrize("known", ((), ("new",), ("old",), ("old", "new")), ids=str)
async def test_the_contact_where_it_can_be_opened(
    services: Addresses, template: str, issuer: TokenIssuer, known: tuple[str, ...]
) -> None:
    async with _opening(services, template, issuer, *known) as asked:
        plain = await document_at(asked, _MAIN, [grant("viewer")])
        assert {"balance", "contact"} & plain.keys() == set()
        for role in ("account-admin", "invoicing"):
            for grants in ([grant(role)], [grant(role, accounts=["ma*"])]):
                told = await document_at(asked, _MAIN, grants)
                contact = {"contact": CONTACT} if "old" in known else {}
                assert told.keys() == plain.keys() | {"balance"} | contact.keys()
                assert told.get("contact") == contact.get("contact")
        bare = await document_at(asked, _SPARE, [grant("account-admin")])
        assert bare.get("contact", "absent") == (None if known else "absent")
