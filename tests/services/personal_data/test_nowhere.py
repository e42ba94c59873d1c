"""Personal data and card numbers are found nowhere: not in what is published, logged, measured or stored."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from db.contacts import erase_contact, load_contact
from db.dead_letters import Choice, find_dead_letters, numbers_of, value_of
from db.rewrapping import rewrap
from db.sealing import LocalKeys, Sealed, Unopenable, unseal
from schemas.contact import Contact
from tests.services.personal_data.planted import (
    CARD_NUMBERS,
    CONTACT,
    FAULTY_TO_KEEP,
    FAULTY_TO_READ,
    WORDS,
    card_numbers,
    contacts_that_are_kept,
    facts,
    hashes_of_card_numbers,
    refused_commands,
    unanswerable_commands,
)
from tests.services.personal_data.searching import Needles, database_dump, everything
from tests.support.collector import Collector, collecting
from tests.support.installations import Installation, free_port
from tests.support.kafka import dead_letters, exactly_published, results, send
from tests.support.messages import Said, command

PLANTED = Needles((*WORDS, *CARD_NUMBERS), hashes_of_card_numbers())
FAULTY_WORKER = "tests.services.personal_data.faulty_worker"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of traces."""
    with collecting() as made:
        yield made


def _traced(said: Iterable[Said]) -> list[Said]:
    """Return messages with the header of a trace that their senders record."""
    header = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    return [replace(one, headers=(*one.headers, header)) for one in said]


async def test_what_was_planted_is_found_nowhere(quiet_installation: Installation, collector: Collector) -> None:
    installation = quiet_installation
    port = free_port()
    tracing = collector.environment(OTEL_TRACES_SAMPLER="always_on", OTEL_BSP_MAX_QUEUE_SIZE="100000")
    await installation.start(module=FAULTY_WORKER, WHOPAYS_LOG_LEVEL="DEBUG", WHOPAYS_METRICS_PORT=str(port), **tracing)
    kept, refused, unanswerable = contacts_that_are_kept(), refused_commands(), unanswerable_commands()
    cards = list(card_numbers())
    await send(installation, _traced([*facts(), *kept]))
    await send(installation, _traced([*refused, *unanswerable, *cards]))
    found = await exactly_published(installation)

    # Everything was read and ended as it should: nothing is found because it is protected, not because it never came.
    outcomes = {identity: result["outcome"] for identity, result in results(found).items()}
    assert [outcomes[name] for name in ("create-a", "update-b", "rehearsed", "rehearsed-2")] == [
        "Applied", "Rejected", "Applied", "Applied",
    ]  # fmt: skip
    assert outcomes["exists"] == outcomes["malformed-0"] == outcomes["card-0"] == outcomes["card-0-u"] == "Rejected"
    reasons = [letter["reason"] for letter in dead_letters(found)]
    carded = len(cards) - len([identity for identity in outcomes if identity.startswith("card-")])
    assert len(reasons) == len(unanswerable) + carded
    assert reasons.count("HandlerFault") == 2
    assert reasons.count("CardNumber") == carded
    async with installation.engine.connect() as connection:
        for account in ("a", "b"):
            assert await load_contact(connection, "acme", account, installation.keys) == _contact()
        numbers = [number for number, _ in await numbers_of(connection, Choice())]
        letters = await find_dead_letters(connection, numbers)
    opened = b"".join(value_of(letter, installation.keys) or b"" for letter in letters if letter.sealed)
    assert b"Quillfeather" in opened

    assert PLANTED.hidden_in(await everything(installation, port)) == []
    await installation.workers[0].stop()
    names = {"decide CreateAccount", "decide Unknown", "take in ProjectChanged", "dead-letter"}
    assert names <= {one.name for one in collector.spans}
    assert PLANTED.hidden_in([("a span", one) for one in collector.raw]) == []
    logged = "\n".join(line for worker in installation.workers for line in worker.lines)
    assert "record_faulty" in logged
    assert "batch_faulty" in logged
    assert "LookupError" in logged, "a fault is logged with its kind and place"
    assert "faulty_worker.py" in logged
    assert {FAULTY_TO_READ, FAULTY_TO_KEEP}.isdisjoint(outcomes)

    await _nothing_can_be_opened_once_erased(installation)


async def _nothing_can_be_opened_once_erased(installation: Installation) -> None:
    async with installation.engine.begin() as connection:
        assert await erase_contact(connection, "acme", "a")
        assert not await erase_contact(connection, "acme", "a")
        assert await load_contact(connection, "acme", "a", installation.keys) is None
        assert await load_contact(connection, "acme", "b", installation.keys) == _contact()
        assert await rewrap(connection, LocalKeys({"new": bytes(32)} | _keys(installation), "new"), 1000) > 0
        assert await load_contact(connection, "acme", "a", installation.keys) is None
    # Every stored value, tried as a wrapped key for the erased contact: none opens it.
    dump = await database_dump(installation.engine)
    sealed = [content for place, content in dump if place == "the column sealed of account_contacts"]
    keys = LocalKeys({"new": bytes(32)} | _keys(installation), "new")
    opened = 0
    for wrapped in {content for place, content in dump if "wrapped_key" in place}:
        for piece in sealed:
            for account in ("a", "b"):
                try:
                    unseal(Sealed("new", wrapped, piece), f"contact:acme/{account}", keys)
                except Unopenable:
                    continue
                assert account == "b"
                opened += 1
    assert opened == 1


async def test_the_search_finds_what_is_planted_in_the_open(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await installation.start(WHOPAYS_LOG_LEVEL="DEBUG")
    open_words = f"please call Ms {CONTACT['name']}"
    suspend = command("SuspendAccount", "c1", "acme", account="a", reason="Administrative", message=open_words)
    broken = command("SuspendAccount", "c2", "acme").value or b""
    await send(
        installation,
        [
            command("CreateAccount", "c0", "acme", account="a", displayName="Obernarrenbach"),
            suspend,
            type(suspend)(suspend.topic, b"balthazar", broken[:-1], (("said-by", "Größenwahn".encode()),)),
        ],
    )
    await exactly_published(installation)
    found = PLANTED.hidden_in(await everything(installation))
    for expected in (
        "'Quillfeather' in the value of a record of accounts",
        "'Quillfeather' in the column value of log",
        "'Quillfeather' in the column holds of accounts",
        "'Obernarrenbach' in the column display_name of accounts",
        "'balthazar' in the value of a record of dead-letters",
        "'balthazar' in the key of a record of dead-letters",
        "'Größenwahn' in the value of a record of dead-letters",
        "'Größenwahn' in the column header_values of dead_letters",
    ):
        assert expected in found


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_found_in_every_spelling(word: str) -> None:
    for padding in ("", "x", "xx", "xxx"):
        said = f"{padding}{word}{padding}"
        spellings = (
            said.encode(),
            said.encode("utf-16"),
            said.encode().hex().encode(),
            said.encode().hex().upper().encode(),
            b64encode(said.encode()),
            b64encode(said.encode() + b"y"),
            said.encode("ascii", "backslashreplace"),
        )
        for spelling in spellings:
            assert f"{word!r} in here" in PLANTED.hidden_in([("here", spelling)]), spelling
    assert PLANTED.hidden_in([("here", b"nothing of that kind")]) == []


def _contact() -> Contact:
    return Contact.model_validate(CONTACT, by_alias=True, by_name=False)


def _keys(installation: Installation) -> dict[str, bytes]:
    return {key_id: b64decode(key.get_secret_value()) for key_id, key in installation.settings.encryption_keys.items()}
