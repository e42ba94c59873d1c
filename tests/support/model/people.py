"""The model's idea of people (docs/contract.md section 2)."""

import unicodedata

_UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Cn")
_UNSEEN_LETTERS_AND_MARKS = "\u034f\u115f\u1160\u3164\ufe0f\uffa0"
"""Ignorable characters in other Unicode categories, as many as stories might use."""


def person(name: str | None) -> str | None:
    """Return who asks, the same for every spelling; None for nobody, and for anyone who claims to be the system."""
    if name is None or not 1 <= len(name) <= 256 or name != name.strip():
        return None
    if any(unicodedata.category(one) in _UNSEEN or one in _UNSEEN_LETTERS_AND_MARKS for one in name):
        return None
    who = unicodedata.normalize("NFKC", name).casefold()
    return None if who.startswith("system:") else who
