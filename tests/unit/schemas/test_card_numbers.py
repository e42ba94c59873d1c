"""Card numbers are recognised wherever they hide, and repeated nowhere (docs/contract.md section 2)."""

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest

from schemas.card_numbers import card_number_pointers, is_card_number, without_card_numbers
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.records import DeadLetterReason
from tests.unit.schemas.building import BIND, CARD, CREATE, PROFILE, PROJECT, command, fact, record, refusal, structured

NUMBERS = [
    CARD,
    "5555555555554444",
    "378282246310005",
    "4222222222222",
    "6304000000000000000",
    "0" * 13,
    "0" * 19,
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "3782 822463 10005",
    "4111 1111-1111 1111",
    " 4111111111111111 ",
    "-4111111111111111-",
    "4111\u00a01111\u00a01111\u00a01111",
    "4111\u20111111\u20131111\u20141111",
    "4 1 1 1" + " 1" * 12,
    "4111  --  1111 1111 1111",
    "4111\t1111\n1111\r1111",
]
NO_NUMBERS = [
    "",
    " ",
    "-",
    "4111111111111112",
    "411111111111111",
    "0" * 12,
    "0" * 20,
    CARD * 2,
    f"x{CARD}",
    f"{CARD}x",
    f"no. {CARD}",
    "4111.1111.1111.1111",
    "4111_1111_1111_1111",
    "+4111111111111111",
    "\u0664" + "\u0661" * 15,
]


@pytest.mark.parametrize("text", NUMBERS)
def test_card_numbers(text: str) -> None:
    assert is_card_number(text)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_no_card_numbers(text: str) -> None:
    assert not is_card_number(text)


def test_long_texts_are_searched_in_short_time() -> None:
    for text in (" " * 200_000, "1 " * 100_000, "-" * 200_000 + "x", "4" + " " * 200_000 + "x"):
        assert not is_card_number(text)


SEARCHED: list[tuple[dict[str, Any], str]] = [
    ({"displayName": CARD}, "/displayName"),
    ({"reason": CARD}, "/reason"),
    ({"paymentProfile": CARD}, "/paymentProfile"),
    ({"dryRun": CARD}, "/dryRun"),
    ({"currencyCode": CARD}, "/currencyCode"),
    ({"paymentTerms": {"earlyPaymentDiscount": {"percent": CARD}}}, "/paymentTerms/earlyPaymentDiscount/percent"),
    ({"unknown": [1, {"deep": [CARD]}]}, "/unknown/1/deep/0"),
    ({"a/b~c": CARD}, "/a~1b~0c"),
    ({CARD: "x"}, ""),
    ({"unknown": {"4111 1111 1111 1111": 1}}, "/unknown"),
    ({"unknown": {CARD: {"deep": 1}}}, "/unknown"),
    ({"unknown": {"organization": CARD}}, "/unknown/organization"),
    ({"preferences": {"uid": CARD}}, "/preferences/uid"),
    ({"contact": {"name": CARD}}, "/contact/name"),
    ({"contact": {"address": {"line1": CARD}}}, "/contact/address/line1"),
    ({"contact": {"emails": ["x", CARD]}}, "/contact/emails/1"),
    ({"contact": {"accountingContact": {"name": CARD}}}, "/contact/accountingContact/name"),
    ({"contact": {CARD: "x"}}, "/contact"),
    ({"taxRegistrations": [CARD]}, "/taxRegistrations/0"),
]
# What a member's name would tell is told by the object that holds it.
UNQUOTED: list[tuple[dict[str, Any], str]] = [
    ({"n" * 101: CARD}, ""),
    ({"n" * 100: CARD}, "/" + "n" * 100),
    ({"n" * 50: {"m" * 51: CARD}}, "/" + "n" * 50),
    ({"contact": {"Ottokar Quendel": CARD}}, "/contact"),
    ({"contact": {"city": CARD}}, "/contact"),
    ({"contact": {"address": {"Amselgasse 9": CARD}}}, "/contact/address"),
    ({"contact": {"address": {"line1": {"Amselgasse 9": CARD}}}}, "/contact/address/line1"),
    ({"contact": {"emails": [{"ottokar@quendel.example": CARD}]}}, "/contact/emails/0"),
]
NOT_SEARCHED: list[dict[str, Any]] = [
    *(
        {name: CARD}
        for name in ("organization", "project", "account", "fromAccount", "toAccount", "expectedAccount", "uid")
    ),
    {"projects": [CARD, "p"]},
    {"contact": {"phone": CARD}},
    {"preferences": {"taxRegistrations": [{"country": "KI", "number": CARD}], "eInvoicing": {"address": CARD}}},
    {"displayName": int(CARD)},
    {"displayName": f"card {CARD}"},
]


@pytest.mark.parametrize(("data", "field"), SEARCHED + UNQUOTED)
def test_where_they_are_found(data: dict[str, Any], field: str) -> None:
    assert card_number_pointers(data) == [field]


@pytest.mark.parametrize("data", NOT_SEARCHED)
def test_where_long_numbers_are_at_home(data: dict[str, Any]) -> None:
    assert card_number_pointers(data) == []


@pytest.mark.parametrize(
    ("data", "fields"),
    (
        (CARD, [""]),
        ([CARD], ["/0"]),
        (["x", CARD, CARD], ["/1", "/2"]),
        ([[CARD], {"reason": CARD}], ["/0/0", "/1/reason"]),
        (int(CARD), []),
        (None, []),
    ),
)
def test_data_that_is_no_object_is_searched_too(data: object, fields: list[str]) -> None:
    assert card_number_pointers(data) == fields


@pytest.mark.parametrize(("data", "field"), SEARCHED + UNQUOTED)
def test_a_command_is_refused_without_quoting(data: dict[str, Any], field: str) -> None:
    message = command(structured("CreateAccount", CREATE | data))
    assert message.command is None
    assert [v.field for v in message.violations if v.reason == "CardNumber"] == [field]
    for violation in message.violations:
        said = f"{violation.field} {violation.message}"
        assert not any(secret in said for secret in ("1111", "Ottokar", "ottokar", "Amsel", "n" * 101))
        assert not violation.retryable


@pytest.mark.parametrize("data", NOT_SEARCHED[:1] + NOT_SEARCHED[7:9])
def test_a_command_with_long_numbers_at_home_is_not(data: dict[str, Any]) -> None:
    message = command(structured("BindProject", BIND | data))
    assert "CardNumber" not in [violation.reason for violation in message.violations]


def test_a_number_for_a_name_is_no_card_number() -> None:
    message = command(structured("BindProject", BIND | {"project": CARD, "account": CARD, "expectedAccount": CARD}))
    assert message.violations == ()


# A command that cannot be answered is a dead letter for the number's sake, whatever else is wrong with it.
@pytest.mark.parametrize(
    "changed",
    (
        {"id": None},
        {"source": ""},
        {"type": None},
        {"specversion": "0.3"},
        {"type": "io.milo.billing.ProjectChanged.v1"},
    ),
)
def test_a_command_that_cannot_be_answered(changed: dict[str, Any]) -> None:
    unanswerable = refusal(lambda: command(structured("BindProject", BIND | {"reason": CARD}, **changed)))
    assert unanswerable.reason is DeadLetterReason.CARD_NUMBER
    assert CARD not in unanswerable.detail


@pytest.mark.parametrize("data", (CARD, [CARD], {"organization": "ACME", "reason": CARD}, {CARD: 1}))
def test_a_command_without_organization(data: object) -> None:
    assert refusal(lambda: command(structured("BindProject", data))).reason is DeadLetterReason.CARD_NUMBER


@pytest.mark.parametrize("changed", ({}, {"id": None}, {"type": "x"}, {"specversion": None}, {"time": "x"}))
@pytest.mark.parametrize(
    "said", ({"reference": CARD}, {"state": "Broken", "reason": CARD}, {"labels": {CARD: 1}}, {"paymentProfile": CARD})
)
def test_a_fact_is_a_dead_letter_whatever_else_is_wrong(said: dict[str, Any], changed: dict[str, Any]) -> None:
    unanswerable = refusal(
        lambda: fact(structured("PaymentProfileChanged", PROFILE | said, **changed), PaymentProfileChanged)
    )
    assert unanswerable.reason is DeadLetterReason.CARD_NUMBER


def test_the_uid_of_a_project_may_be_long() -> None:
    assert fact(structured("ProjectChanged", PROJECT | {"uid": CARD}), ProjectChanged).fact.version == 1
    refused = refusal(lambda: fact(structured("ProjectChanged", PROJECT | {"displayName": CARD}), ProjectChanged))
    assert refused.reason is DeadLetterReason.CARD_NUMBER


def test_no_trace_is_left_in_what_is_kept_of_the_data() -> None:
    data = {"a": CARD, "b": [CARD, {CARD: CARD}], "c": 7}
    assert CARD not in str(without_card_numbers(data))
    assert data["a"] == CARD


def _in_base64(raw: bytes, **changed: Any) -> bytes:
    attributes = {"specversion": "1.0", "id": "c-1", "source": "/tests", "type": "io.milo.billing.BindProject.v1"}
    return json.dumps(attributes | {"data_base64": b64encode(raw).decode()} | changed).encode()


@pytest.mark.parametrize("name", ("data_base64", "data\\u005fbase64"))
def test_data_in_base64_are_searched(name: str) -> None:
    value = _in_base64(json.dumps(BIND | {"reason": CARD}).encode()).replace(b"data_base64", name.encode())
    message = command(record(value))
    assert [(one.reason, one.field) for one in message.violations] == [("CardNumber", "/reason")]
    assert refusal(lambda: fact(record(value), PaymentProfileChanged)).reason is DeadLetterReason.CARD_NUMBER


TORN = f'{{"organization":"acme","reason":"{CARD}"'.encode()


@pytest.mark.parametrize(
    "value",
    (
        _in_base64(TORN),
        _in_base64(f'["{CARD}"]'.encode()),
        _in_base64(b"{}", data={"reason": CARD}),
        _in_base64(TORN, data={}),
        _in_base64(TORN + b"}")[:-1],
        _in_base64(b"", data_base64=CARD),
        _in_base64(b"", data_base64=[CARD]),
        _in_base64(b"", data_base64=urlsafe_b64encode(b"\xff\xef\xbe" + TORN).decode().rstrip("=")),
        _in_base64(b"", data_base64=b64encode(TORN).decode() + "!"),
        _in_base64(_in_base64(TORN)[:-1]),
    ),
)
def test_what_cannot_be_read_in_base64_is_searched_too(value: bytes) -> None:
    assert refusal(lambda: command(record(value))).reason is DeadLetterReason.CARD_NUMBER


@pytest.mark.parametrize("value", (_in_base64(b"{"), _in_base64(b"", data_base64="!"), _in_base64(b"{}", data={})))
def test_what_cannot_be_read_and_holds_no_card_number(value: bytes) -> None:
    assert refusal(lambda: command(record(value))).reason is DeadLetterReason.UNDECODABLE


@pytest.mark.parametrize(
    "value", ({"payload": {"reason": CARD}}, {"reason": CARD}, {"card": [CARD]}, {"data": {CARD: 1}})
)
def test_what_is_no_event_is_searched_too(value: dict[str, Any]) -> None:
    bare = record(json.dumps(PROFILE | value).encode())
    assert refusal(lambda: command(bare)).reason is DeadLetterReason.CARD_NUMBER
    assert refusal(lambda: fact(bare, PaymentProfileChanged)).reason is DeadLetterReason.CARD_NUMBER
