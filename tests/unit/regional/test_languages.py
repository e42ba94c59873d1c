"""Language tags: BCP 47, of subtags that the registry knows, in one form."""

import pytest

from schemas.languages import UnknownLanguage, canonical_language


@pytest.mark.parametrize(
    ("tag", "canonical"),
    (
        *((tag, tag) for tag in ("de", "de-CH", "en-US", "rm", "zh-Hant-TW", "sr-Latn-RS", "es-419", "gsw", "qaa")),
        ("DE-ch", "de-CH"),
        ("ZH-hANT-tw", "zh-Hant-TW"),
        ("de-ch-1996", "de-CH-1996"),
        ("sl-ROZAJ-biske-1994", "sl-rozaj-biske-1994"),
        ("iw", "he"),
        ("de-DD", "de-DE"),
        ("zh-yue", "yue"),
        ("zh-cmn-Hans", "cmn-Hans"),
        ("zh-yue-Hant-HK", "yue-Hant-HK"),
        ("i-klingon", "tlh"),
        ("en-GB-oed", "en-GB-oxendict"),
        ("I-Default", "i-default"),
        ("de-Latn", "de-Latn"),
        *((tag, tag) for tag in ("de-DE-u-co-phonebk", "fr-FR-x-franc", "en-US-u-hc-h12", "de-x-private", "de-1-abc")),
        ("DE-ch-U-CO-Phonebk", "de-CH-u-co-phonebk"),
        ("ZH-cmn-hans-u-co-pinyin-x-A-1-bcdefghi", "cmn-Hans-u-co-pinyin-x-a-1-bcdefghi"),
        ("iw-u-nu-hebr", "he-u-nu-hebr"),
        ("en-u-ca-gregory-t-it", "en-t-it-u-ca-gregory"),
        ("en-r-ccc-2-bb-a-aaa-aaa-b-bbb", "en-2-bb-a-aaa-aaa-b-bbb-r-ccc"),
        ("en-a-bbb-x-a-ccc", "en-a-bbb-x-a-ccc"),  # what follows the x is private: no second extension a
        ("de-x-u-co-phonebk-x-1", "de-x-u-co-phonebk-x-1"),
        ("sl-rozaj-u-va-posix", "sl-rozaj-u-va-posix"),
        ("i-enochian", "i-enochian"),
    ),
)
def test_known_tags_have_one_form(tag: str, canonical: str) -> None:
    assert canonical_language(tag) == canonical
    assert canonical_language(canonical) == canonical


def test_a_tag_has_a_hundred_letters_at_most() -> None:
    longest = "de-x" + "-abcdefgh" * 10 + "-abcde"
    assert (len(longest), canonical_language(longest)) == (100, longest)
    with pytest.raises(UnknownLanguage):
        canonical_language(longest + "f")


@pytest.mark.parametrize(
    "tag",
    (
        *("xx", "xx-invalid--", " ", "", "de_CH", "english", "de\n", "de-", "49", "-de", "de--CH", " de"),
        *("de-XY9", "de-Xxxx", "de-QL-DE", "de-12", "de-CH-Latn", "de-CH-AT", "de-nonsense", "de-1996-1996"),
        *("ar-yue", "yue-zh", "i-unknown", "root", "C", "POSIX"),
        # A tag has a language, and each extension something in it, once.
        *("x-private", "x-de-u-co-phonebk", "u-co-phonebk", "xx-u-co-phonebk", "de-XY9-x-a", "de-nonsense-u-co-eor"),
        *("de-u", "de-x", "de-u-", "de-x-", "de-u-x-a", "de-u-t-it", "de-u--co", "de--u-co", "de-u-co-phonebk-"),
        *("de-u-co-abcdefghi", "de-x-abcdefghi", "de-u-a", "de-u-co_phonebk", "de-u-co-phonebk\n", "de-x-\u00e9"),
        *("de-u-co-phonebk-u-nu-latn", "de-a-bbb-u-co-eor-A-ccc", "de-u-co-1" * 20),
        # A grandfathered tag stands for itself and takes no extension.
        *("i-klingon-x-a", "i-default-u-co-eor", "en-GB-oed-x-a", "art-lojban-u-co-eor", "no-bok-x-a"),
        *("d\u00e9", "\u212aa", "de-\u0661\u0662\u0663", "de\u200b", "de" + "-1996" * 100, "de" * 1000),
    ),
)
def test_other_text_is_no_tag(tag: str) -> None:
    with pytest.raises(UnknownLanguage):
        canonical_language(tag)
