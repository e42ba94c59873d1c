"""Identifiers, text, decimals and instants (docs/contract.md section 2)."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.decimals import format_decimal
from schemas.identifiers import is_identifier
from schemas.instants import format_instant, parse_instant
from schemas.scalars import CountryCode, CurrencyCode, Identifier, Instant, PlainDecimal, Text, Version


def _accepts(type_: Any, value: object) -> bool:
    try:
        TypeAdapter(type_).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", ("x", "7", "a.b-c", "a--b", "a..b", "null", "true", "1e5", "x" * 253))
def test_identifiers(name: str) -> None:
    assert is_identifier(name)
    assert _accepts(Identifier, name)


@pytest.mark.parametrize(
    "name",
    (
        "",
        " ",
        "-a",
        "a-",
        ".a",
        "a.",
        "-",
        "A",
        "aB",
        "a_b",
        "a b",
        "a/b",
        "a\n",
        "\na",
        "é",
        "\u0430",
        "\uff11",
        "٣",
        "a\u200b",
        "x" * 254,
        7,
        True,
        None,
        ["a"],
        b"a",
    ),
)
def test_not_identifiers(name: object) -> None:
    assert not is_identifier(name)
    assert not _accepts(Identifier, name)


def test_text_is_composed_before_it_is_measured() -> None:
    read = TypeAdapter(Text).validate_python
    assert read("cafe\u0301") == "caf\u00e9"
    assert read("e\u0301" * 500) == "\u00e9" * 500
    assert read("\u1f82") == "\u1f82"
    four_each = "\u03b1\u0313\u0300\u0345"
    assert read(four_each * 500) == "\u1f82" * 500
    assert not _accepts(Text, four_each * 501)
    assert not _accepts(Text, "e\u0301" * 501)
    # What grows by normalisation is measured as it is kept: U+0958 is composed of two for ever.
    assert not _accepts(Text, "\u0958" * 251)


@pytest.mark.parametrize("count", (0, 1, 499, 500))
@pytest.mark.parametrize("sign", ("m", "\U0001f4b3", "\u7814"))
def test_text_counts_code_points(sign: str, count: int) -> None:
    assert _accepts(Text, sign * count)
    assert not _accepts(Text, sign * (count + 501))


def test_control_characters_are_refused() -> None:
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)):
        assert not _accepts(Text, f"a{chr(code)}b"), hex(code)


@pytest.mark.parametrize(
    "code", (0x20, 0x7E, 0xA0, 0xAD, 0x200B, 0x200D, 0x200F, 0x2029, 0x202F, 0x2065, 0x206A, 0xFEFF)
)
def test_their_neighbours_are_not(code: int) -> None:
    assert _accepts(Text, f"a{chr(code)}b")


def test_text_that_is_slow_to_compose_is_refused_at_once() -> None:
    began = time.monotonic()
    assert not _accepts(Text, "a" + "\u0301\u0316" * 60_000)
    assert time.monotonic() - began < 1


DECIMALS = {
    "0": "0",
    "-0": "0",
    "0.0": "0",
    "-0.00": "0",
    "2.5": "2.5",
    "2.50": "2.5",
    "10": "10",
    "100.000": "100",
    "-7.125": "-7.125",
    "0.000001": "0.000001",
    "999999999999999999": "999999999999999999",
    "123456789012.123456": "123456789012.123456",
}


@pytest.mark.parametrize("text", DECIMALS)
def test_plain_decimals_in_canonical_form(text: str) -> None:
    adapter = TypeAdapter[Decimal](PlainDecimal)
    assert adapter.dump_json(adapter.validate_python(text)).decode() == f'"{DECIMALS[text]}"'


@pytest.mark.parametrize(
    "value",
    (
        "",
        "-",
        "+1",
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "1e3",
        "1E3",
        "0x1",
        "1,5",
        "1_0",
        " 1",
        "1 ",
        "1\n",
        "NaN",
        "Infinity",
        "\u0661",
        "1.1234567",
        "0.0000000",
        "1" * 19,
        "1234567890123.123456",
        2.5,
        2,
        True,
        None,
    ),
)
def test_no_plain_decimals(value: object) -> None:
    assert not _accepts(PlainDecimal, value)


def test_decimals_are_written_without_exponent() -> None:
    written = [format_decimal(Decimal(text)) for text in ("1E+3", "1E-6", "-0E+2", "12.3400")]
    assert written == ["1000", "0.000001", "0", "12.34"]


INSTANTS = {
    "2027-01-31T12:00:00Z": "2027-01-31T12:00:00.000000Z",
    "2027-01-31t12:00:00z": "2027-01-31T12:00:00.000000Z",
    "2027-01-31T12:00:00.5+01:30": "2027-01-31T10:30:00.500000Z",
    "2027-01-31T00:15:00-23:59": "2027-02-01T00:14:00.000000Z",
    "2027-01-31T12:00:00-00:00": "2027-01-31T12:00:00.000000Z",
    "2027-01-31T12:00:00.1234569Z": "2027-01-31T12:00:00.123456Z",
    "2028-02-29T23:59:59Z": "2028-02-29T23:59:59.000000Z",
    "2000-02-29T00:00:00Z": "2000-02-29T00:00:00.000000Z",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00.000000Z",
    "1000-01-01T00:00:00+05:00": "0999-12-31T19:00:00.000000Z",
    "0001-01-01T00:00:00-00:01": "0001-01-01T00:01:00.000000Z",
    "9999-12-31T23:59:59.999999Z": "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59+00:01": "9999-12-31T23:58:59.000000Z",
    # Leap seconds, those to come as well.
    "2016-12-31T23:59:60Z": "2016-12-31T23:59:59.999999Z",
    "2031-03-07T23:59:60.987654321Z": "2031-03-07T23:59:59.999999Z",
    "2017-01-01T08:59:60.5+09:00": "2016-12-31T23:59:59.999999Z",
    "2016-12-31T18:14:60-05:45": "2016-12-31T23:59:59.999999Z",
    "9999-12-31T23:58:60-00:01": "9999-12-31T23:59:59.999999Z",
    "9999-12-31t23:59:60z": "9999-12-31T23:59:59.999999Z",
    "0001-01-02T00:00:60+00:01": "0001-01-01T23:59:59.999999Z",
}


@pytest.mark.parametrize("text", INSTANTS)
def test_instants_in_utc(text: str) -> None:
    instant = parse_instant(text)
    assert instant.tzinfo is UTC
    assert format_instant(instant) == INSTANTS[text]
    assert parse_instant(format_instant(instant)) == instant


@pytest.mark.parametrize(
    "text",
    (
        "",
        "2027-01-31",
        "2027-01-31T12:00:00",
        "2027-01-31 12:00:00Z",
        "2027-01-31T12:00Z",
        "20270131T120000Z",
        "2027-01-31T12:00:00+01",
        "2027-01-31T12:00:00+0100",
        "2027-01-31T12:00:00+01:00:00",
        "2027-W04-7T12:00:00Z",
        "2027-01-31T12:00:00Z\n",
        " 2027-01-31T12:00:00Z",
        "2027-01-31T12:00:00.Z",
        "2027-01-31T12:00:00,5Z",
        "2027-02-29T12:00:00Z",
        "2100-02-29T12:00:00Z",
        "2027-04-31T12:00:00Z",
        "2027-13-01T12:00:00Z",
        "2027-00-01T12:00:00Z",
        "2027-01-00T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "2027-01-31T24:00:00Z",
        "2027-01-31T12:60:00Z",
        "2027-01-31T12:00:61Z",
        "2016-12-31T23:59:61Z",
        "2016-12-31T23:58:60Z",
        "2016-12-31T22:59:60Z",
        "2016-12-31T23:59:60+01:00",
        "2017-01-01T00:59:60Z",
        "2016-12-31T23:60:60Z",
        "2016-12-31T23:59:60",
        "2016-12-31T23:59:060Z",
        "0001-01-01T00:00:60+00:01",
        "2027-01-31T12:00:00+24:00",
        "2027-01-31T12:00:00+05:60",
        "2027-01-31T12:00:00-99:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "\u0662\u0660\u0662\u0667-01-31T12:00:00Z",
    ),
)
def test_no_instants(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_instant(text)
    assert not _accepts(Instant, text)


def test_an_instant_in_another_zone_is_written_in_utc() -> None:
    assert format_instant(datetime.fromisoformat("1000-01-01T00:00:00+05:00")) == "0999-12-31T19:00:00.000000Z"


@pytest.mark.parametrize(("value", "accepted"), ((1, True), (2**63 - 1, True), (0, False), (-1, False), (2**63, False)))
def test_versions(value: int, accepted: bool) -> None:
    assert _accepts(Version, value) is accepted


@pytest.mark.parametrize("value", (True, 1.0, "1", None))
def test_versions_are_integers(value: object) -> None:
    assert not _accepts(Version, value)


# The money of countries and unions; last decade's additions among it, and its removals below.
@pytest.mark.parametrize(
    "code", ("USD", "EUR", "GBP", "CHF", "JPY", "INR", "XAF", "XOF", "XPF", "XCD", "XCG", "SLE", "VES", "UYU")
)
def test_currencies_that_can_be_invoiced(code: str) -> None:
    assert _accepts(CurrencyCode, code)


@pytest.mark.parametrize(
    "code",
    (
        # no money
        *("XXX", "XTS", "XAU", "XAG", "XPT", "XPD", "XDR", "XSU", "XUA", "XAD", "XBA", "XBB", "XBC", "XBD"),
        # funds and accounting units
        *("CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW", "BOV"),
        # gone, or never there
        *("DEM", "HRK", "ANG", "SLL", "VEF", "ZWL", "CUC", "BTC"),
        *("usd", "Usd", "US", "USDT", "USD ", "", 840, None),
    ),
)
def test_currencies_that_cannot(code: object) -> None:
    assert not _accepts(CurrencyCode, code)


@pytest.mark.parametrize(("code", "accepted"), (("CH", True), ("GB", True), ("KI", True), ("SS", True), ("UK", False)))
def test_countries(code: str, accepted: bool) -> None:
    assert _accepts(CountryCode, code) is accepted


@pytest.mark.parametrize("code", ("XK", "EU", "ZZ", "AN", "ch", "CHE", "756", "", "Schweiz", 756, None))
def test_no_countries(code: object) -> None:
    assert not _accepts(CountryCode, code)
