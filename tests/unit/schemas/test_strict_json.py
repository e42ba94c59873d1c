"""JSON is read strictly (docs/contract.md section 2)."""

import time

import pytest

from schemas.strict_json import MAX_LEVELS, NotStrictJson, read_object


def _nested(levels: int, opening: str, closing: str) -> bytes:
    """Return an object with lists or objects below it, `levels` in all."""
    return b'{"x":' + (opening * (levels - 1) + "1" + closing * (levels - 1)).encode() + b"}"


READ: dict[str, tuple[bytes, object]] = {
    "an empty object": (b"{}", {}),
    "blanks around": (b" \r\n\t{ }\n", {}),
    "numbers": (b'{"a":0,"b":-1,"c":2.0,"d":1e3}', {"a": 0, "b": -1, "c": 2.0, "d": 1000.0}),
    "a pair of surrogates": (rb'{"a":"\ud83d\ude00"}', {"a": "\U0001f600"}),
    "an escaped sign": (rb'{"a":"\u0041\u000a"}', {"a": "A\n"}),
    "the same name in two objects": (b'{"a":{"x":1},"b":{"x":2}}', {"a": {"x": 1}, "b": {"x": 2}}),
    "names that differ in form only": ('{"\u00e9":1,"e\u0301":2}'.encode(), {"\u00e9": 1, "e\u0301": 2}),
    "brackets in a string are no levels": (b'{"a":"' + b"[" * 99 + b'"}', {"a": "[" * 99}),
    "many objects side by side": (b'{"a":[' + b",".join([b"{}"] * 99) + b"]}", {"a": [{}] * 99}),
}

REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "blanks only": b"  ",
    "cut off": b'{"a":',
    "a list": b"[]",
    "a string": b'"x"',
    "a number": b"42",
    "null": b"null",
    "true": b"true",
    "two objects": b"{} {}",
    "a comma too many": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "a comment": b'{"a":1/**/}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "minus Infinity, nested": b'{"a":[{"b":-Infinity}]}',
    "a leading zero": b'{"a":01}',
    "a plus": b'{"a":+1}',
    "no digit before the point": b'{"a":.5}',
    "no digit after the point": b'{"a":1.}',
    "hexadecimal": b'{"a":0x10}',
    "an Arabic digit": '{"a":٣}'.encode(),
    "a member twice": b'{"a":1,"a":1}',
    "a member twice, nested": b'{"a":[{"b":{"c":1,"d":2,"c":3}}]}',
    "a member twice, once escaped": rb'{"a":1,"\u0061":2}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16-le"),
    "Latin-1": '{"a":"é"}'.encode("latin-1"),
    "an overlong sign": b'{"a":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "NUL as it is": b'{"a":"\x00"}',
    "a line break as it is": b'{"a":"x\ny"}',
    "NUL by escape": rb'{"a":"x\u0000"}',
    "NUL by escape, in a name": rb'{"a\u0000":1}',
    "NUL by escape, nested": rb'{"a":[{"b":["\u0000"]}]}',
    "a high surrogate alone": rb'{"a":"\ud83d"}',
    "a low surrogate alone": rb'{"a":"\ude00"}',
    "a pair the wrong way round": rb'{"a":"\ude00\ud83d"}',
    "a lone surrogate in capitals": rb'{"a":"\uD83D"}',
    "a lone surrogate in a name, nested": rb'{"a":{"\ud83dx":1}}',
    "an unknown escape": rb'{"a":"\x41"}',
}


@pytest.mark.parametrize("case", READ)
def test_strict_json_is_read(case: str) -> None:
    raw, value = READ[case]
    assert read_object(raw) == value


@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_refused_without_being_quoted(case: str) -> None:
    with pytest.raises(NotStrictJson) as refused:
        read_object(REFUSED[case])
    assert len(str(refused.value)) < 100


@pytest.mark.parametrize(("opening", "closing"), (("[", "]"), ('{"y":', "}"), ('[{"y":', "}]")))
def test_levels_in_the_whole_value(opening: str, closing: str) -> None:
    levels_each = 2 if opening.startswith("[{") else 1
    fits = 1 + (MAX_LEVELS - 1) // levels_each
    read_object(_nested(fits, opening, closing))
    with pytest.raises(NotStrictJson, match="32 levels"):
        read_object(_nested(fits + 1, opening, closing))


def test_levels_are_counted_and_not_the_objects_beside() -> None:
    beside = b'{"beside":[' + b",".join([b"{}"] * 99) + b"],"
    read_object(beside + _nested(MAX_LEVELS, "[", "]")[1:])
    with pytest.raises(NotStrictJson, match="32 levels"):
        read_object(beside + _nested(MAX_LEVELS + 1, "[", "]")[1:])


@pytest.mark.parametrize(("opening", "closing"), (("[", "]"), ('{"y":', "}"), ("[", "")))
def test_very_deep_nesting_is_refused_and_not_a_fault(opening: str, closing: str) -> None:
    with pytest.raises(NotStrictJson):
        read_object(_nested(120_000, opening, closing))


def test_two_is_an_integer_and_two_point_zero_is_none() -> None:
    value = read_object(b'{"a":2,"b":2.0}')
    assert [type(value["a"]), type(value["b"])] == [int, float]


@pytest.mark.parametrize("digits", (19, 40, 41, 400, 5_000, 200_000))
def test_huge_integers_are_read_without_a_fault_and_in_short_time(digits: int) -> None:
    began = time.monotonic()
    value = read_object(b'{"a":' + b"9" * digits + b"}")
    assert isinstance(value["a"], int | float)
    assert time.monotonic() - began < 1
