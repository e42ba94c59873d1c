"""Language tags: BCP 47, of parts that the registry knows, in one form."""

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
    ),
)
def test_known_tags_have_one_form(tag: str, canonical: str) -> None:
    assert canonical_language(tag) == canonical
    assert canonical_language(canonical) == canonical


@pytest.mark.parametrize(
    "tag",
    (
        *("xx", "xx-invalid--", " ", "", "de_CH", "english", "de\n", "de-", "49", "-de", "de--CH", " de"),
        *("de-XY9", "de-Xxxx", "de-QL-DE", "de-12", "de-CH-Latn", "de-CH-AT", "de-nonsense", "de-1996-1996"),
        *("ar-yue", "yue-zh", "x-private", "de-x-private", "en-u-hc-h12", "i-unknown", "root", "C", "POSIX"),
        *("d\u00e9", "\u212aa", "de-\u0661\u0662\u0663", "de\u200b", "de" + "-1996" * 100, "de" * 1000),
    ),
)
def test_other_text_is_no_tag(tag: str) -> None:
    with pytest.raises(UnknownLanguage):
        canonical_language(tag)
