"""Content negotiation: the media type of an answer (RFC 9110, section 12.5.1), and of a request's body."""

from collections.abc import Sequence
from functools import lru_cache

from service.problems import Problem


def chosen(accepted: str | None, offered: tuple[str, ...]) -> str:
    """Return the offered media type with the highest weight; among equals, the first.

    Raises Problem `NotAcceptable` if none is accepted.
    """
    if accepted is None or not accepted.strip():
        return offered[0]
    best = _best(accepted, offered)
    if best is None:
        raise Problem("NotAcceptable", f"The answer is available as {' or '.join(offered)}.")
    return best


def understood(content_type: str | None, encoding: str | None, consumed: Sequence[str]) -> str:
    """Return the media type of a body. Raises Problem `UnsupportedMediaType`."""
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise Problem("UnsupportedMediaType", "Compressed bodies are not supported.")
    media, *parameters = [part.strip() for part in (content_type or "").lower().split(";")]
    if media not in consumed:
        raise Problem("UnsupportedMediaType", f"The body must be {' or '.join(consumed)}.")
    if not all(map(_is_utf_8, parameters)):
        raise Problem("UnsupportedMediaType", "The body must be UTF-8: leave the charset out, or set it to utf-8.")
    return media


def _is_utf_8(parameter: str) -> bool:
    """Return whether a lower-case parameter of a media type is not a charset other than UTF-8."""
    name, _, value = parameter.partition("=")
    return name.strip() != "charset" or value.strip().strip('"') in _UTF_8


@lru_cache(maxsize=1024)
def _best(accepted: str, offered: tuple[str, ...]) -> str | None:
    weights = [(_weight(accepted, media), -place) for place, media in enumerate(offered)]
    weight, place = max(weights)
    return offered[-place] if weight > 0 else None


def _weight(accepted: str, media: str) -> float:
    """Return the weight of a media type: that of the most specific range that matches it."""
    kind = media.partition("/")[0]
    found: tuple[int, float] = (0, 0.0)
    for part in accepted.lower().split(","):
        words = [word.strip() for word in part.split(";")]
        specific = {media: 3, f"{kind}/*": 2, "*/*": 1}.get(words[0], 0)
        if specific > found[0]:
            found = (specific, _quality(words[1:]))
    return found[1]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


_UTF_8 = frozenset({"utf-8", "utf8"})
