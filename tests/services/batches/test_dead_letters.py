"""Unanswerable records: each becomes one dead letter with its reason, and the records around it are processed."""

from base64 import b64decode
from collections import Counter
from dataclasses import replace

from sqlalchemy import text

from schemas.records import DeadLetterReason
from schemas.topics import Topic
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, dead_letters, exactly_published, results, rewind, send
from tests.support.messages import Said, account, command, profile, project
from workers.runtime.roles import Role

_CARD = "4111 1111-1111 1111"
_POISON = "poison"
_BAD = {
    DeadLetterReason.UNDECODABLE: Said(Topic.PROJECTS, b"acme", b'{"a": 1, "a": 2}', (("odd\0name", None),)),
    DeadLetterReason.TOMBSTONE: Said(Topic.PROJECTS, b"acme", None),
    DeadLetterReason.TOO_LARGE: Said(Topic.PAYMENT_PROFILES, b"acme", b"x" * 300_000),
    DeadLetterReason.MISSING_ATTRIBUTE: project("acme", "nameless", ce_id=None),
    DeadLetterReason.UNSUPPORTED_VERSION: project("acme", "web", 7, ce_specversion="0.3"),
    DeadLetterReason.UNKNOWN_TYPE: replace(project("acme", "web", 8), topic=Topic.ADMIN_COMMANDS),
    DeadLetterReason.INVALID_FACT: project("acme", "web", 9, state="Gone", binary=True),
    DeadLetterReason.VERSION_CONFLICT: project("acme", "web", 1, state="Inactive"),
    DeadLetterReason.CARD_NUMBER: profile("acme", "other", reference=_CARD),
    DeadLetterReason.HANDLER_FAULT: project("acme", _POISON),
}


async def _refuse_poison(installation: Installation) -> None:
    """Make the database refuse one project, as it would refuse what the code should not have let through."""
    async with installation.engine.begin() as connection:
        await connection.execute(text(f"ALTER TABLE projects ADD CONSTRAINT no_poison CHECK (project <> '{_POISON}')"))


async def test_every_reason_once(quiet_installation: Installation) -> None:
    installation = quiet_installation
    assert set(_BAD) == set(DeadLetterReason)
    await _refuse_poison(installation)
    sent = [project("acme", "web"), *_BAD.values(), profile("acme"), account("acme", "main")]
    places = await send(installation, sent)
    worker = await installation.start()
    found = dead_letters(await exactly_published(installation))
    assert Counter(letter["reason"] for letter in found) == Counter(map(str, _BAD))

    by_reason = {DeadLetterReason(letter["reason"]): letter for letter in found}
    for (reason, said), place in zip(_BAD.items(), places[1:], strict=False):
        letter = by_reason[reason]
        assert (letter["topic"], letter["partition"], letter["offset"]) == (place.topic, place.partition, place.offset)
        if reason is DeadLetterReason.CARD_NUMBER:
            assert (letter["key"], letter["headers"], letter["value"], letter["sha256"]) == (None, None, None, None)
        else:
            assert b64decode(letter["key"]) == said.key
            expected = None if said.value is None or said.topic is Topic.ADMIN_COMMANDS else said.value[:65_536]
            assert (None if letter["value"] is None else b64decode(letter["value"])) == expected
    assert by_reason[DeadLetterReason.UNDECODABLE]["headers"] == [{"name": "odd\0name", "value": None}]

    async with installation.engine.connect() as connection:
        kept = (await connection.execute(text("SELECT reason, value FROM dead_letters"))).all()
    assert Counter(row.reason for row in kept) == Counter(map(str, _BAD))
    assert all(row.value is None for row in kept if row.reason in ("CardNumber", "UnknownType"))
    assert not any(_CARD in line for line in worker.lines)

    assert await worker.stop() == 0
    for role in (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS):
        await rewind(installation, role)
    await installation.start()
    assert len(dead_letters(await exactly_published(installation))) == len(_BAD)


async def test_a_faulty_record_is_found_among_many(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await _refuse_poison(installation)
    names = [f"p{number}" for number in range(200)]
    names[123] = _POISON
    await send(installation, [project("acme", name) for name in names])
    await installation.start()
    found = await exactly_published(installation)
    assert [(letter["reason"], letter["detail"]) for letter in dead_letters(found)] == [
        ("HandlerFault", "CheckViolationError 23514")
    ]
    missing = {one.data["project"] for one in found if one.topic == Topic.NOTICES}
    assert missing == set(names) - {_POISON}


async def test_what_can_be_answered_is_answered(installation: Installation) -> None:
    await send(
        installation,
        [
            command("CreateAccount", "unknown-member", "acme", account="main", colour="red"),
            command("SplitAccount", "unknown-command", "acme", account="main"),
            command("CreateAccount", "anonymous", "acme", account="main", ce_authid=None),
            command("CreateAccount", "late", "acme", account="main", ce_expirytime="2020-01-01T00:00:00Z"),
            command("CreateAccount", "card", "acme", account="main", displayName=_CARD),
            command("CreateAccount", "no-organization", "Not A Name", account="main"),
        ],
    )
    found = await exactly_published(installation)
    reasons = {name: [v["reason"] for v in result["violations"]] for name, result in results(found).items()}
    reasons = {name: found for name, found in reasons.items() if not name.startswith("marker-")}
    assert reasons == {
        "unknown-member": ["Invalid"],
        "unknown-command": ["UnknownCommand"],
        "anonymous": ["Unauthenticated"],
        "late": ["Expired"],
        "card": ["CardNumber"],
    }
    assert [letter["reason"] for letter in dead_letters(found)] == ["MissingAttribute"]


async def test_every_answer_and_every_fact_once_however_often_it_is_read(quiet_installation: Installation) -> None:
    installation = quiet_installation
    worker = await installation.start(WHOPAYS_BATCH_MAX_RECORDS="7")
    said = [
        profile("acme"),
        *(project("acme", f"p{number}") for number in range(20)),
        account("acme", "main"),
        account("acme", "main"),
        account("acme", "main", displayName="another meaning"),
        command("CreateAccount", "dry", "acme", account="dry", dryRun=True),
        command("CreateAccount", "anonymous", "acme", account="anonymous", ce_authid=None),
    ]
    await send(installation, said)
    before = await exactly_published(installation)
    assert await worker.stop() == 0
    for role in (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS):
        await rewind(installation, role)
    await installation.start(WHOPAYS_BATCH_MAX_RECORDS="3")
    await all_consumed(installation)
    after = await exactly_published(installation)
    markers = sum(one.data.get("commandId", "").startswith("marker-") for one in after)
    assert markers == 2
    assert len(after) == len(before) + 1


async def test_what_is_too_large_to_be_told_of_does_not_stop_the_others(installation: Installation) -> None:
    # Compressed, a key may have any length; as text of control characters it takes six times as much.
    large = Said(Topic.PROJECTS, b"\x01" * 2_000_000, b"{", (("name", b"x" * 2_000_000),))
    await send(installation, [large, project("acme", "web")], compression_type="gzip")
    found = await exactly_published(installation)
    assert [
        (letter["reason"], letter["detail"], letter["key"], letter["headers"]) for letter in dead_letters(found)
    ] == [("TooLarge", "EventTooLarge", None, [])]
    assert [one.data["project"] for one in found if one.topic == Topic.NOTICES] == ["web"]
