"""What is told of a record that cannot be answered (docs/contract.md section 6)."""

import hashlib
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import pytest

from domain.dead_letters import SHOWN_BYTES, Dead
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
    assert (outgoing.sequence, outgoing.sender, outgoing.causation_id) == (None, None, None)
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


def test_the_reasons_are_those_of_the_contract() -> None:
    assert [str(reason) for reason in DeadLetterReason] == [
        "Undecodable", "Tombstone", "TooLarge", "MissingAttribute", "UnsupportedVersion", "UnknownType", "InvalidFact",
        "VersionConflict", "CardNumber", "HandlerFault",
    ]  # fmt: skip
