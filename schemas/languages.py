"""Language tags (docs/contract.md section 9): BCP 47, with subtags of the IANA registry, in canonical form."""

import re
from functools import cache, lru_cache
from importlib import import_module
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from schemas.forms import LANGUAGE
from schemas.policy import is_stored

_LANGUAGE = re.compile(
    r"(?P<language>[a-z]{2,3})"
    r"(?:-(?P<extlang>[a-z]{3}))?"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
)
# A singleton, other than the x of private use, and the subtags it introduces.
_EXTENSION = re.compile(r"-[a-wyz0-9](?:-[a-z0-9]{2,8})+")
_TAG = re.compile(
    r"(?P<language>[a-z0-9]{2,}(?:-[a-z0-9]{2,})*)"
    rf"(?P<extensions>(?:{_EXTENSION.pattern})*)"
    r"(?P<private>(?:-x(?:-[a-z0-9]{1,8})+)?)"
)
# The registry lists these as ranges, which the library does not expand.
_PRIVATE_USE = {
    "language": re.compile(r"q[a-t][a-z]"),
    "script": re.compile(r"qa(?:a[a-z]|b[a-x])"),
    "region": re.compile(r"q[m-z]|x[a-z]"),
}
_LONGEST_TAG = 100


class UnknownLanguage(ValueError):
    """The text is not a language tag known to the registry; the message does not quote it."""


@lru_cache(maxsize=1024)
def canonical_language(tag: str) -> str:
    """Return a tag in the canonical form of RFC 5646 section 4.5: `ZH-hant-tw` is `zh-Hant-TW`, `iw` is `he`.

    Extensions (`-u-co-phonebk`) are sorted by their letters and private use (`-x-`) comes last; their subtags are only
    lowercased, since the registry does not list them. Raise UnknownLanguage.
    """
    lower = tag.lower()
    if len(tag) > _LONGEST_TAG or not tag.isascii() or lower != lower.strip():
        raise UnknownLanguage("not a language tag")
    whole = _registry().tag(lower)
    if whole.preferred is not None:
        return canonical_language(str(whole.preferred))
    if whole.type == "grandfathered":
        return str(whole)
    match = _TAG.fullmatch(lower)
    if match is None:
        raise UnknownLanguage("not a language tag")
    extensions = sorted(_EXTENSION.findall(match["extensions"]))
    if len({extension[1] for extension in extensions}) != len(extensions):
        raise UnknownLanguage("an extension twice")
    if not extensions and not match["private"]:
        return _canonical_subtags(lower)
    if _registry().tag(match["language"]).type == "grandfathered":
        raise UnknownLanguage("a grandfathered tag stands alone")
    return "".join((canonical_language(match["language"]), *extensions, match["private"]))


def _canonical_subtags(lower: str) -> str:
    match = _LANGUAGE.fullmatch(lower)
    if match is None:
        raise UnknownLanguage("not a language tag")
    variants = match["variants"].split("-")[1:]
    if len(set(variants)) != len(variants):
        raise UnknownLanguage("a variant twice")
    parts = [
        _extended(match["language"], match["extlang"]) if match["extlang"] else _known("language", match["language"]),
        *(_known("script", script) for script in [match["script"]] if script),
        *(_known("region", region) for region in [match["region"]] if region),
        *(_known("variant", variant) for variant in variants),
    ]
    return "-".join(parts)


def _known(kind: str, part: str) -> str:
    private = _PRIVATE_USE.get(kind)
    if private is not None and private.fullmatch(part):
        return {"script": part.capitalize(), "region": part.upper()}.get(kind, part)
    subtag = _registry().type(part, kind)
    if subtag is None:
        raise UnknownLanguage(f"unknown {kind}")
    return str(subtag.preferred or subtag)


def _extended(language: str, extlang: str) -> str:
    # An extended language is canonicalized to the language itself: zh-yue is yue.
    subtag = _registry().type(extlang, "extlang")
    if subtag is None or language not in subtag.data["record"]["Prefix"]:
        raise UnknownLanguage("unknown extended language")
    return str(subtag.preferred)


@cache
def _registry() -> Any:
    # Imported with the first tag: the registry takes a while to load and some megabytes of memory.
    return import_module("language_tags").tags


def _language(value: str, info: ValidationInfo) -> str:
    if is_stored(info):
        return value
    try:
        return canonical_language(value)
    except UnknownLanguage:
        raise PydanticCustomError(
            "language", "must be a BCP 47 language tag such as de-CH, of subtags that the IANA registry knows"
        ) from None


LanguageTag = Annotated[str, AfterValidator(_language), LANGUAGE]
"""A string that is validated and stored as a canonical tag."""
