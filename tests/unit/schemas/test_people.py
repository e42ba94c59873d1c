"""Which names are people's, and when two of them are one (docs/contract.md section 2)."""

import sys
import unicodedata

import pytest

from schemas.people import _DEFAULT_IGNORABLE, is_authid, is_same_person, is_system, person_of
from tests.support.properties import left_to_make_test

INVISIBLE = {
    # name: one that is in no category of format characters, or at a bound of its range
    "soft hyphen": "\u00ad",
    "combining grapheme joiner": "\u034f",
    "Arabic letter mark": "\u061c",
    "Hangul choseong filler": "\u115f",
    "Hangul jungseong filler": "\u1160",
    "Khmer inherent vowel": "\u17b5",
    "Mongolian variation selector": "\u180b",
    "Mongolian vowel separator": "\u180e",
    "Mongolian variation selector four": "\u180f",
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "right-to-left override": "\u202e",
    "word joiner": "\u2060",
    "reserved between the operators and the isolates": "\u2065",
    "pop directional isolate": "\u2069",
    "Hangul filler": "\u3164",
    "variation selector 1": "\ufe00",
    "variation selector 16": "\ufe0f",
    "byte order mark": "\ufeff",
    "halfwidth Hangul filler": "\uffa0",
    "reserved before the annotations": "\ufff0",
    "interlinear annotation": "\ufff9",
    "noncharacter": "\ufdd0",
    "shorthand format": "\U0001bca3",
    "musical format": "\U0001d173",
    "tag": "\U000e0041",
    "variation selector 17": "\U000e0100",
    "reserved among the tags": "\U000e0fff",
    "nul": "\x00",
    "tab": "\t",
    "line feed": "\n",
    "escape": "\x1b",
    "delete": "\x7f",
    "next line": "\x85",
    "unassigned": "\u0378",
}
BLANKS = " \u00a0\u1680\u2000\u2003\u200a\u202f\u205f\u3000"


@pytest.mark.parametrize("unseen", INVISIBLE.values(), ids=INVISIBLE)
def test_what_cannot_be_seen_names_nobody(unseen: str) -> None:
    for spelt in ("{}", "{}ann", "ann{}", "a{}nn", "ä{}ö"):
        assert not is_authid(spelt.format(unseen)), spelt


@pytest.mark.parametrize("blank", BLANKS)
def test_blanks_stand_inside_a_name_only(blank: str) -> None:
    assert is_authid(f"ann{blank}lee")
    for spelt in (blank, f"{blank}ann", f"ann{blank}", f"{blank}änn"):
        assert not is_authid(spelt)


def test_what_unicode_says_is_ignorable_is_taken_from_it_whole() -> None:
    assert sum(_DEFAULT_IGNORABLE.match(chr(code)) is not None for code in range(sys.maxunicode + 1)) == 4174


def test_how_long_a_name_may_be() -> None:
    assert [is_authid("ä" * length) for length in (0, 1, 256, 257)] == [False, True, True, False]
    assert is_authid("\U0001f4b3" * 256)


@pytest.mark.parametrize(
    "name", ("a", "ann@example.com", "auth0|5f7c8", "urn:x:y", "Ann Lee", "Ǆ", "李", "مريم", "à", "e\u0301", "\ue000")
)
def test_who_can_ask(name: str) -> None:
    assert is_authid(name)
    assert not is_system(name)


@pytest.mark.parametrize(
    ("one", "other"),
    (
        ("ann", "Ann"),
        ("ann", "ANN"),
        ("ann", "\uff41nn"),
        ("ann", "\U0001d41a\U0001d427\U0001d427"),
        ("e\u0301va", "Éva"),
        ("straße", "STRASSE"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("ﬁona", "FIONA"),
        ("\u212bsa", "å\u0073a"),
        ("a lee", "a\u00a0lee"),
        ("ᾳ", "\u0391\u03b9"),
        ("\u01c5", "dž"),
        ("\u0345\u0301", "\u0301\u0345"),
    ),
)
def test_one_person_in_two_spellings(one: str, other: str) -> None:
    assert is_same_person(one, other)
    assert is_same_person(other, one)


@pytest.mark.parametrize(("one", "other"), (("ann", "anna"), ("é", "e"), ("ann", "\u0430nn"), ("a.nn", "ann")))
def test_people_who_only_look_alike(one: str, other: str) -> None:
    assert not is_same_person(one, other)


@left_to_make_test
def test_whoever_it_is_stays_one_however_the_name_is_folded_and_composed() -> None:
    for code in range(sys.maxunicode + 1):
        name = chr(code)
        if unicodedata.category(name) in ("Cn", "Cs"):
            continue
        person = person_of.__wrapped__(name)
        decomposed, composed = (unicodedata.normalize(form, name) for form in ("NFD", "NFKC"))
        others = {person, name.lower(), name.casefold(), decomposed, composed}
        if name != "\u0131":  # Only in Turkish is this the small letter of I.
            others |= {name.upper(), name.title()}
        assert {person_of.__wrapped__(other) for other in others} == {person}, f"U+{code:04X}"


@pytest.mark.parametrize(
    "name",
    (
        "system:", "system:x", "System:x", "SYSTEM:default-account", "sYsTeM:y", "\uff53ystem\uff1az", "\u017fystem:x",
        "system\uff1ax", "\U0001d600ystem:x", "\u24e2ystem:x",
    ),
)  # fmt: skip
def test_nobody_is_the_system(name: str) -> None:
    assert is_system(name)


@pytest.mark.parametrize("name", ("system", "systematic", "systems:x", "my-system:x", "system x", "sistem:x"))
def test_who_is_only_called_alike_is_somebody(name: str) -> None:
    assert not is_system(name)
