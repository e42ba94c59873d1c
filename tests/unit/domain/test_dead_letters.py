"""What is told of a record that cannot be answered (docs/contract.md section 6)."""

import hashlib
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import pytest

from domain.dead_letters import SHOWN_BYTES, Dead
from schemas.envelope import Trail
from schemas.records import DeadLetterReason, Record
from schemas.results import DeadLetter
from tests.unit.domain.building import NOON, Desk
from tests.unit.schemas.building import RECORDED_AT, record

HEADERS = (("x-origin", b"rm-2"), ("odd", b"\xff"), ("none", None))


def _letter(of: Record, reason: DeadLetterReason = DeadLetterReason.UNDECODABLE, *, is_private: bool = False) -> Any:
    said = Desk().hear(Dead(of, reason, "why", is_private, "billing.projects/3"))
    (outgoing,) = said.outgoing
    assert said.folded.dead[0].record is of
    assert said.folded.unclaimed == [of]
    assert (outgoing.subject, outgoing.boundary, outgoing.time) == (of.place, "billing.projects/3", NOON)
    assert (outgoing.sequence, outgoing.sender, outgoing.causation_id, outgoing.passed_on) == (None, None, None, {})
    return outgoing


def _record(value: bytes | None) -> Record:
    return replace(record(value, HEADERS, topic="billing.projects"), key=b"\xffkey")


def test_a_record_as_it_came() -> None:
    value = b"\x00\xff{"
    outgoing = _letter(_record(value))
    letter = outgoing.event
    assert isinstance(letter, DeadLetter)
    assert (letter.source_topic, letter.partition, letter.offset) == ("billing.projects", 3, 7)
    assert (letter.timestamp, letter.reason, letter.detail) == (RECORDED_AT, "Undecodable", "why")
    assert b64decode(letter.value or "") == value
    assert (letter.size, letter.sha256) == (3, hashlib.sha256(value).hexdigest())
    assert letter.key == b64encode(b"\xffkey").decode()
    assert [(header.name, header.value) for header in letter.headers or ()] == [
        ("x-origin", b64encode(b"rm-2").decode()),
        ("odd", "/w=="),
        ("none", None),
    ]
    assert outgoing.key == b"\xffkey"


@pytest.mark.parametrize("size", (SHOWN_BYTES - 1, SHOWN_BYTES, SHOWN_BYTES + 1, 300_000))
def test_a_long_value_is_shown_in_part(size: int) -> None:
    letter = _letter(_record(b"z" * size)).event
    assert len(b64decode(letter.value)) == min(size, 64 * 1024)
    assert (letter.size, letter.sha256) == (size, hashlib.sha256(b"z" * size).hexdigest())


def test_what_was_sent_as_a_command_is_not_shown() -> None:
    letter = _letter(_record(b"secret"), is_private=True).event
    assert (letter.value, letter.size) == (None, 6)
    assert letter.sha256 is not None


def test_a_tombstone_has_nothing_to_show() -> None:
    letter = _letter(_record(None), DeadLetterReason.TOMBSTONE).event
    assert (letter.value, letter.size, letter.sha256) == (None, 0, None)
    assert letter.key is not None


@pytest.mark.parametrize("is_private", (False, True))
def test_of_a_card_number_only_its_place_is_told(is_private: bool) -> None:
    outgoing = _letter(_record(b"4111111111111111"), DeadLetterReason.CARD_NUMBER, is_private=is_private)
    letter = outgoing.event
    assert outgoing.key is None
    assert (letter.key, letter.headers, letter.value, letter.sha256) == (None, None, None, None)
    assert (letter.source_topic, letter.partition, letter.offset) == ("billing.projects", 3, 7)


TOKEN = b"eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmVk"


@pytest.mark.parametrize("reason", (DeadLetterReason.UNDECODABLE, DeadLetterReason.HANDLER_FAULT))
@pytest.mark.parametrize("is_private", (False, True))
def test_no_header_with_a_token_is_told_or_kept(reason: DeadLetterReason, is_private: bool) -> None:
    secret = (
        ("authorization", b"Basic YTpi"), ("Authorization", b""), ("AUTHORIZATION", None), ("ce_authorization", b"x"),
        ("CE_Authorization", b"Bearer x"), ("x-token", TOKEN), ("ce_correlationid", b"Bearer " + TOKEN),
    )  # fmt: skip
    plain = (*HEADERS, ("authorization-of", b"x"), ("ce_id", b"1.2.3"))
    of = replace(_record(b"x"), headers=(*secret, *plain))
    letter = _letter(of, reason, is_private=is_private).event
    assert [header.name for header in letter.headers] == [name for name, _ in plain]
    assert Dead(of, reason, "why", is_private, "acme").headers == plain


def test_it_passes_on_what_its_record_was_sent_with() -> None:
    trail = Trail("lost", {"correlationid": "order 12"}, ("traceparent",))
    for reason in DeadLetterReason:
        (told,) = Desk().hear(Dead(_record(b"x"), reason, "why", False, "acme", trail)).outgoing
        assert (told.causation_id, told.passed_on) == ("lost", {"correlationid": "order 12"})


@pytest.mark.parametrize(
    "number", ("4111111111111111", "profile-3782-822463-10005-1", "1 4111 1111 1111 1111", "04111111111111111")
)
def test_of_a_card_number_nothing_is_passed_on(number: str) -> None:
    trail = Trail(number, {"correlationid": number, "traceparent": "order 12"})
    (told,) = Desk().hear(Dead(_record(b"x"), DeadLetterReason.CARD_NUMBER, "why", True, "acme", trail)).outgoing
    assert (told.causation_id, told.passed_on) == (None, {"traceparent": "order 12"})


@pytest.mark.parametrize(
    ("reason", "organization", "owner"),
    (
        (DeadLetterReason.CARD_NUMBER, "4111111111111111", None),
        (DeadLetterReason.CARD_NUMBER, "of-4111-1111-1111-1111", None),
        (DeadLetterReason.CARD_NUMBER, "acme", "acme"),
        (DeadLetterReason.CARD_NUMBER, None, None),
        (DeadLetterReason.UNDECODABLE, "4111111111111111", "4111111111111111"),
        (DeadLetterReason.UNDECODABLE, None, None),
    ),
)
def test_whose_it_is_is_kept_unless_that_is_a_card_number(
    reason: DeadLetterReason, organization: str | None, owner: str | None
) -> None:
    assert Dead(_record(b"x"), reason, "why", False, "acme", Trail(), organization).owner == owner


def test_the_reasons_are_those_of_the_contract() -> None:
    assert [str(reason) for reason in DeadLetterReason] == [
        "Undecodable", "Tombstone", "TooLarge", "MissingAttribute", "UnsupportedVersion", "UnknownType", "InvalidFact",
        "VersionConflict", "CardNumber", "HandlerFault",
    ]  # fmt: skip
