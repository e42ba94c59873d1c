"""Names of people (docs/contract.md section 2): which are valid, and when two spellings name one person."""

import re
import unicodedata
from functools import lru_cache

LONGEST_AUTHID = 256
SYSTEM_PREFIX = "system:"

# Default_Ignorable_Code_Point, from DerivedCoreProperties.txt of Unicode 15.0.0 (4,174 code points, as since 14.0).
# Python's unicodedata lacks it, and categories do not help: Hangul fillers are letters, variation selectors are marks.
_DEFAULT_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Cn"})
_REMEMBERED = 4096


@lru_cache(maxsize=_REMEMBERED)
def is_authid(text: str) -> bool:
    """Return whether `text` is a well-formed name: short enough, nothing invisible, no blank at either end."""
    if not 1 <= len(text) <= LONGEST_AUTHID or text != text.strip():
        return False
    if text.isascii():
        return text.isprintable()
    return _DEFAULT_IGNORABLE.search(text) is None and _REFUSED_CATEGORIES.isdisjoint(map(unicodedata.category, text))


@lru_cache(maxsize=_REMEMBERED)
def person_of(authid: str) -> str:
    """Return the form that is equal for all spellings of one person: NFKC, case-folded."""
    # Folded while decomposed; otherwise U+0345, a mark that folds to a letter, would depend on what it composes with.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", authid).casefold())


def is_same_person(one: str, other: str) -> bool:
    """Return whether two names belong to the same person."""
    return person_of(one) == person_of(other)


def is_system(authid: str) -> bool:
    """Return whether a name is reserved for the system, in any spelling; no sender may use it."""
    return person_of(authid).startswith(SYSTEM_PREFIX)
