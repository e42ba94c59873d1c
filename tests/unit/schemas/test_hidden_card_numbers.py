"""Card numbers in bytes that are not parsed, or cannot be: none slips through by how it is written."""

import json
from base64 import b64encode

import pytest

from schemas.card_numbers import has_card_number_within, holds_no_card_number, may_hold_card_number
from schemas.facts import PaymentProfileChanged
from schemas.records import DeadLetterReason
from tests.unit.schemas.building import BIND, CARD, PROFILE, command, fact, record, refusal, structured
from tests.unit.schemas.test_card_numbers import NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_seen_in_the_bytes_however_it_is_written(number: str) -> None:
    for is_escaped in (False, True):
        value = json.dumps({"a": 1, "reason": number}, ensure_ascii=is_escaped).encode()
        assert not holds_no_card_number(value)
        assert may_hold_card_number(value[:-1])
    of = structured("BindProject", BIND | {"reason": number})
    plain = json.dumps(json.loads(of.value or b""), ensure_ascii=False).encode()
    assert "CardNumber" in [one.reason for one in command(record(plain)).violations]


@pytest.mark.parametrize("value", (b'{"a":"411111111111"}', b'{"a":411111111111,"b":4111}', b"{}"))
def test_most_values_need_no_search(value: bytes) -> None:
    assert holds_no_card_number(value)


def test_digits_by_escape_are_digits() -> None:
    escaped = "".join(f"\\u{ord(digit):04x}" for digit in CARD)
    for value in (f'{{"reason":"{escaped}"', f'{{"reason":"{escaped.upper().replace("U", "u")}"'):
        assert may_hold_card_number(value.encode())
    assert not may_hold_card_number(f'{{"reason":"{escaped.replace("31", "41")}"'.encode())


@pytest.mark.parametrize("cut", range(1, 9))
@pytest.mark.parametrize("behind", range(4))
def test_base64_is_searched_wherever_it_is_cut_off(cut: int, behind: int) -> None:
    text = b64encode(f'{{"reason":"{CARD}","x":"{"y" * behind}........"'.encode()).decode()
    assert may_hold_card_number(f'{{"data_base64":"{text[:-cut]}"'.encode())


def test_what_is_no_base64_is_not_decoded() -> None:
    text = b64encode(f'"{CARD}"'.encode()).decode()
    assert may_hold_card_number(f'{{"data_base64":"{text}"'.encode())
    for value in (f'{{"other":"{text}"', f'{{"data_base64","other":"{text}"'):
        assert not may_hold_card_number(value.encode())


@pytest.mark.parametrize("number", ("4222222222222", "378282246310005", CARD, "6304000000000000000"))
def test_a_number_of_any_length_is_seen_within(number: str) -> None:
    for text in (number, f"9{number}", f"{number}9", f"id-{number}-x", f"{number[:4]} {number[4:]}"):
        assert has_card_number_within(text), text
    assert not has_card_number_within(number[:12])


def test_of_what_is_no_event_attributes_are_no_data() -> None:
    for name in ("id", "source", "subject"):
        bare = record(json.dumps(PROFILE | {name: CARD}).encode())
        unanswerable = refusal(lambda bare=bare: fact(bare, PaymentProfileChanged))  # type: ignore[misc]
        assert unanswerable.reason is DeadLetterReason.MISSING_ATTRIBUTE
