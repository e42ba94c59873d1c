"""The commands for personal data and its keys."""

import json
from base64 import b64decode
from typing import Any

import pytest
from sqlalchemy import text

from cli.operating import personal_data
from tests.support.command_line import Whopays, whopays_of
from tests.support.installations import KEYS, Installation
from workers.runtime.settings import Settings

CONTACT = {"name": "Xanthippe Quillfeather", "emails": ["office@zebrafinch.example"]}


async def test_a_contact_is_shown_on_demand_only_and_erased(whopays: Whopays) -> None:
    words = ("account=main", f"contact={json.dumps(CONTACT)}", "--organization", "private")
    (await whopays("send", "CreateAccount", *words)).expect(0)
    for options in ((), ("--json",)):
        shown = (await whopays("account", "private", "main", *options, WHOPAYS_ENCRYPTION_KEYS="{}")).expect(0)
        assert "Quillfeather" not in shown.out
    assert "Quillfeather" in (await whopays("account", "private", "main", "--contact")).expect(0).out
    document = (await whopays("account", "private", "main", "--contact", "--json")).expect(0).document
    assert document["contact"] == CONTACT

    refused = await whopays("erase-contact", "private", "main", given="n\n")
    assert refused.status == 1
    assert "Quillfeather" in (await whopays("account", "private", "main", "--contact")).expect(0).out

    erased = await whopays("erase-contact", "private", "main", "--yes", WHOPAYS_ENCRYPTION_KEYS="{}")
    assert "is erased" in erased.expect(0).out
    again = (await whopays("erase-contact", "private", "main", "--json", "--yes")).expect(0)
    assert again.document == {"organization": "private", "account": "main", "erased": False}
    said = (await whopays("erase-contact", "private", "main", "--yes")).expect(0)
    assert said.out == "private/main has no contact; nothing was changed.\n"
    assert "none, or erased" in (await whopays("account", "private", "main", "--contact")).expect(0).out
    after = (await whopays("account", "private", "main", "--contact", "--json")).expect(0).document
    assert after == document | {"contact": None}, "the history stays"


async def test_a_new_key_is_what_the_settings_take(whopays: Whopays) -> None:
    made = [(await whopays("new-key")).expect(0).document, (await whopays("new-key", "--id", "a")).expect(0).document]
    assert list(made[1]) == ["a"]
    assert [len(b64decode(key)) for keys in made for key in keys.values()] == [32, 32]
    assert [Settings(encryption_keys=keys).keys().active for keys in made] == [*made[0], "a"]


async def test_keys_are_replaced(quiet_installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal_data, "_AT_ONCE", 1)
    await quiet_installation.start()
    whopays = whopays_of(quiet_installation)
    for name in ("a", "b"):
        words = (f"account={name}", f"contact={json.dumps(CONTACT)}", "--organization", "acme")
        (await whopays("send", "CreateAccount", *words)).expect(0)
    (await whopays("send", "CreateAccount", "--organization", "NOT A NAME")).expect(1)
    fresh: dict[str, Any] = (await whopays("new-key", "--id", "zz")).expect(0).document
    both = {"WHOPAYS_ENCRYPTION_KEYS": json.dumps(json.loads(KEYS) | fresh)}
    async with quiet_installation.engine.begin() as writing:
        await writing.execute(text("SELECT FROM account_contacts WHERE account = 'a' FOR UPDATE"))
        held = (await whopays("rewrap-keys", **both)).expect(1)
        assert '2 data keys are wrapped under "zz" now.' in held.out
        assert "1 data key is still wrapped under other keys: workers are writing" in " ".join(held.err.split())
    rest = (await whopays("rewrap-keys", **both)).expect(0)
    assert (rest.out, rest.err.count("\n")) == ('1 data key is wrapped under "zz" now.\n', 1)
    again = (await whopays("rewrap-keys", "--json", **both)).expect(0).document
    assert again == {"activeKey": "zz", "rewrapped": 0, "left": 0}
    alone = {"WHOPAYS_ENCRYPTION_KEYS": json.dumps(fresh)}
    assert "Quillfeather" in (await whopays("account", "acme", "a", "--contact", **alone)).expect(0).out
    assert '"test" is not among' not in (await whopays("dead-letters", "show", "1", "--open", **alone)).expect(0).err
    unopened = await whopays("account", "acme", "a", "--contact")
    assert 'key-encryption key "zz" is not among WHOPAYS_ENCRYPTION_KEYS' in unopened.expect(1).err


async def test_what_needs_a_key_says_so(whopays: Whopays) -> None:
    for words in (("account", "acme", "main", "--contact"), ("rewrap-keys",), ("run",)):
        silent = (await whopays(*words, WHOPAYS_ENCRYPTION_KEYS="{}")).expect(1)
        assert "whopays new-key" in silent.err
    unknown = (await whopays("rewrap-keys", WHOPAYS_ENCRYPTION_KEY_ID="other")).expect(1)
    assert '"other", which is not among' in unknown.err
    short = (await whopays("rewrap-keys", WHOPAYS_ENCRYPTION_KEYS='{"a": "c2hvcnQ="}')).expect(1)
    assert 'the key "a" has 5 bytes, not 32' in short.err
    assert "c2hvcnQ" not in short.err
