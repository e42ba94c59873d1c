"""At its bounds: what is quoted, where an envelope is looked for, and which first bytes are known."""

from typing import Any

import pytest

from schemas.commands import told
from schemas.found import found_instead, no_object, no_organization, where_the_envelope_is
from schemas.serializers import is_json_in_base64, why_not_plain_json
from schemas.strict_json import LongInteger, LongNumber, NotStrictJson, as_text, read_flat_objects, read_object


@pytest.mark.parametrize(
    ("value", "how", "said"),
    (
        (None, {}, "missing"),
        (True, {}, "true"),
        (False, {}, "false"),
        (b"x", {}, "not UTF-8"),
        ([], {}, "a list"),
        ({}, {}, "an object"),
        (123_456_789_012, {}, "the number 123456789012"),
        (1_234_567_890_123, {}, "a very long number"),
        (LongInteger("7"), {}, "a very long number"),
        ("x" * 12, {"quoted": True}, repr("x" * 12)),
        ("x" * 13, {"quoted": True}, "text"),
        ("x" * 12, {}, "text"),
        ("a b", {"quoted": True}, "text"),
        ("xxx", {"longest": 3}, "text"),
        ("xxx", {"longest": 2}, "3 characters long"),
        ("x" * 999, {}, "text"),
        ("", {}, "empty"),
        (" ", {}, "blank"),
        ("''", {}, "in quotation marks"),
        ('"a"', {}, "in quotation marks"),
        ("'", {}, "text"),
        ("'a\"", {}, "text"),
        ("'aa", {}, "text"),
        ("xax", {}, "text"),
        ("a\n", {}, "followed by a line break"),
        ("a\r", {}, "followed by a line break"),
        (" a", {}, "surrounded by blanks"),
        ("a ", {}, "surrounded by blanks"),
        ("a\x07", {}, "text with U+0007 at character 2"),
        ("é", {}, "text"),
        ("aé", {"is_ascii": True}, "text with U+00E9 at character 2"),
        ("a", {"is_ascii": True}, "text"),
    ),
)
def test_what_is_found_instead(value: Any, how: dict[str, Any], said: str) -> None:
    assert found_instead(value, **how) == said


_ENVELOPE = {"specversion": "1.0"}
_NOWHERE = "specversion is missing: neither the value nor a header ce_specversion says that this is a CloudEvent"


def _below(*names: str) -> dict[str, Any]:
    """Return an envelope below members of these names."""
    value: dict[str, Any] = _ENVELOPE
    for name in reversed(names):
        value = {name: value}
    return value


@pytest.mark.parametrize(
    ("value", "at"),
    (
        (_below("a", "b", "c", "d"), "/a/b/c/d"),
        (_below("a", "b", "c", "d", "e"), None),
        (_below("n" * 40), "/" + "n" * 40),
        (_below("n" * 41), None),
        ({"a": [0, 1, 2, 3, _ENVELOPE]}, "/a/4"),
        ({"a": [0, 1, 2, 3, 4, _ENVELOPE]}, None),
        ({"not plain": 1, "a": 1, "b": {"c": 1}, "d": _ENVELOPE}, "/d"),
        ({"a": {"b": []}}, None),
        ({"a": "text", "b": {"c": "ey"}}, None),
    ),
)
def test_an_envelope_is_looked_for_so_far(value: dict[str, Any], at: str | None) -> None:
    said = f"specversion is missing: the envelope stands at {at}, and must be the record's whole value"
    assert where_the_envelope_is((), value) == (_NOWHERE if at is None else said)


def test_names_of_other_spelling_are_told_up_to_a_length() -> None:
    name = "specversion".rjust(40, "_")
    assert where_the_envelope_is((), {name: 1}) == f"specversion is spelled {name}"
    assert where_the_envelope_is((), {f"_{name}": 1}) == _NOWHERE
    headers = (("note", b""), ("ce_id", b"c-1"))
    assert (
        where_the_envelope_is(headers, {}) == "specversion is missing: there are headers ce_..., but no ce_specversion"
    )
    assert where_the_envelope_is(headers[:1], {}) == _NOWHERE


@pytest.mark.parametrize(
    ("data", "attributes", "said"),
    (
        ({"note": "x"}, {}, "and is missing"),
        ({"organisation": "x"}, {}, "data.organization is missing: it is spelled organisation"),
        ({"organisation": 7}, {}, "and is missing"),
        ({"payload": {"other": 1}}, {}, "and is missing"),
        ({"payload": {"organization": "x"}}, {}, "stands at /data/payload, and belongs to data itself"),
        ({"p" * 41: {"organization": "x"}}, {}, "and is missing"),
        ({"organization": 7}, {"organization": "x"}, "and is the number 7"),
        ({}, {"organization": "x"}, "organization stands beside data, and belongs inside"),
        ({"organization": "x" * 253 + "!"}, {}, "and is 254 characters long"),
        ({"organization": "x" * 252 + "!"}, {}, "and is text with other characters"),
        ({"organization": "é"}, {}, "and is text with U+00E9 at character 1"),
        ([], {"organization": "x"}, "is a list; data.organization must be an organization's name"),
        (None, {}, "is missing; data.organization must be an organization's name"),
        (None, {"organization": "x"}, "is missing: its members stand beside the attributes, and belong inside"),
    ),
)
def test_what_stands_in_place_of_an_organization(data: Any, attributes: dict[str, Any], said: str) -> None:
    assert no_organization(data, attributes).endswith(said)


@pytest.mark.parametrize(
    ("data", "said"),
    (("ey", "JSON in base64: send the object itself, or call it data_base64"), ("ex", "text"), (7, "the number 7")),
)
def test_what_stands_in_place_of_an_object(data: Any, said: str) -> None:
    assert no_object(data) == f"data must be an object and is {said}"


def _named(raw: bytes) -> str | None:
    return (why_not_plain_json(raw) or "").partition(":")[0] or None


def test_the_first_bytes_of_maps_are_known_within_their_bounds() -> None:
    for first in (0x80, 0x81, 0x8F, 0x90, 0xA0, 0xA1, 0xBF, 0xC0):
        for second in (0x60, 0x61, 0x77, 0x78, 0xA0, 0xA1, 0xBF, 0xC0):
            is_pack = 0x81 <= first <= 0x8F and 0xA1 <= second <= 0xBF
            is_cbor = 0xA1 <= first <= 0xBF and 0x61 <= second <= 0x77
            assert _named(bytes((first, second))) == ("MessagePack" if is_pack else "CBOR" if is_cbor else None)
        assert _named(bytes((first,))) is None
    assert (_named(b"\x80\x05"), _named(b"\x80\x06")) == ("a pickle of Python", None)


@pytest.mark.parametrize(
    ("raw", "said"),
    (
        (bytes(3) + b"\x07", None),
        (bytes(4) + b"\x07", "five bytes of a schema registry, and no message behind them"),
        (bytes(4) + b"\x07{...{", "five bytes of a schema registry stand before the message"),
        (bytes(4) + b"\x07...{", "five bytes of a schema registry stand before the message"),
        (bytes(4) + b"\x07.....{", "five bytes of a schema registry stand before the message"),
        (bytes(4) + b"\x07....{", "nine bytes of a schema registry stand before the message"),
        (b"\x01" + b"\x07" * 16 + b"{", "seventeen bytes of a schema registry stand before the message"),
        (b"\x01" + b"\x07" * 15 + b"{", None),
        (b"\x01" + b"\x07" * 17 + b"{", None),
        (b"\x03\x00" + b"\x07" * 16, None),
        (b"\x03\x00" + b"\x07" * 17, "eighteen bytes of a schema registry stand before the message"),
        (b"{\0", "UTF-16, which must be UTF-8"),
        (b"{}", None),
    ),
)
def test_the_bytes_of_a_schema_registry_are_counted(raw: bytes, said: str | None) -> None:
    assert _named(raw) == said


def test_base64_is_known_by_its_beginning_and_its_letters() -> None:
    assert [is_json_in_base64(text) for text in (b"eyA=", b"ewo= \n", b"exA=", b"ey!", b"A=ey")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_an_integer_keeps_its_value_up_to_a_length() -> None:
    value = read_object(b'{"a":%d,"b":%d}' % (10**39, 10**40))
    assert (value["a"], type(value["a"])) == (10**39, int)
    assert (value["b"].digits, type(value["b"])) == (str(10**40), LongInteger)


def test_a_fraction_that_a_float_does_not_hold_is_no_text_of_an_attribute() -> None:
    value = read_object(b'{"a":2.5,"b":1e400,"c":0.10000000000000000001,"d":-1e99999999999999999999}')
    assert [type(number) for number in value.values()] == [float, LongNumber, LongNumber, LongNumber]
    assert [as_text(number) for number in value.values()] == list(value.values())
    assert [found_instead(number) for number in value.values()] == ["the number 2.5", *["a very long number"] * 3]


def test_what_a_cut_object_is_called() -> None:
    for raw, said in ((b'{"a"', "too early"), (b'{"a":1}x', "line 1, column 8"), (b'{"a":1,\n x}', "line 2, column 2")):
        with pytest.raises(NotStrictJson, match=said):
            read_object(raw)


def test_flat_objects_are_read_at_once_and_whatever_else_is_looked_at_closer() -> None:
    one, other = b'{"a":1}', b'{"b":"x"}'
    assert read_flat_objects([one, other]) == [{"a": 1}, {"b": "x"}]
    assert read_flat_objects([one, other, one]) == [{"a": 1}, {"b": "x"}, {"a": 1}]
    assert read_flat_objects([one]) == [{"a": 1}]
    assert read_flat_objects([]) == []
    for closer in (
        b'{"c":{}}', b'{"c":[]}', rb'{"c":"\u0041"}', b"1", b'"{"', b'{"c":1,"c":2}', b"", b'{"c":1},{"d":2}', b"\xff",
        b'{"c":1},7', b'7,{"c":1}', b'{"c":NaN}', b'{"c":1',
    ):  # fmt: skip
        assert read_flat_objects([one, closer]) is None, closer
        assert read_flat_objects([closer, one]) is None, closer


def test_a_fingerprint_is_told_by_its_first_eight_bytes() -> None:
    assert told(bytes(range(32))) == "0001020304050607"
