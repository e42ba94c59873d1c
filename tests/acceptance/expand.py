"""What is replaced in a case: `<each>`, `{n}` and `{cycle}`, organizations, generators."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from tests.acceptance.json_types import FormatError, Json, in_text
from tests.acceptance.vocabulary import instant_text

ORGANIZATIONS: Final = ("acme", "beta", "gamma")

_EACH = re.compile(r"<each((?:\.[\w-]+)*)>")
_COUNTER = re.compile(r"\{(n|cycle)\}")
_ORGANIZATION_MEMBERS = ("organization", "key", "subject", "partitionkey")
_BEGINS_WITH_ORGANIZATION = re.compile(r"(<prefix:|<list:\d+:)?(acme|beta|gamma)(?=/)")
_ORGANIZATION_IN_RAW_TEXT = re.compile(r"\{(acme|beta|gamma)\}")
_LIST = re.compile(r"<list:(\d+):(.*)>", re.DOTALL)
_INSTANT_ALONE = re.compile(r"<(?:now(?:[+-]\d+(?:\.\d+)?)?|(?:before )?step [^<>]+)>")
_GENERATOR = re.compile(
    r"<(?:(?P<now>now)(?P<offset_seconds>[+-]\d+(?:\.\d+)?)?"
    r"|repeat:(?P<text>.*?):(?P<count>\d+)"
    r"|(?P<before>before )?step (?P<step>[^<>]+)"
    r"|same:(?P<same>[^<>]+))>",
    re.DOTALL,
)


def replace_each(value: Json, each: Json) -> Json:
    """Return the value with `<each>` and `<each.member>` replaced: as a whole text by the value itself, else by its
    characters. Raises `FormatError` for a member that `each` does not have."""

    def replace(text: str) -> Json:
        whole = _EACH.fullmatch(text)
        if whole:
            return _member(each, whole.group(1))
        return _EACH.sub(lambda found: in_text(_member(each, found.group(1))), text)

    return _map_texts(value, replace)


def count_up(value: Json, n: int, cycle: list[Json] | None = None) -> Json:
    """Return the value with `{n}` and, if `cycle` has members, `{cycle}` replaced. `{n}` of an inner `<list:…>`, or of
    an entry with a `count` of its own, is left to these."""

    def replacement(name: str) -> Json:
        if name == "n":
            return n
        return cycle[(n - 1) % len(cycle)] if cycle else "{cycle}"

    def replace(text: str) -> Json:
        counts_itself = _LIST.fullmatch(text) is not None
        whole = _COUNTER.fullmatch(text)
        if whole:
            return replacement(whole.group(1))
        return _COUNTER.sub(
            lambda found: found.group() if counts_itself and found.group(1) == "n" else in_text(replacement(found[1])),
            text,
        )

    match value:
        case dict() if "count" in value and "type" in value:
            return {name: replace_cycle(member, cycle, n) for name, member in value.items()}
        case dict():
            return {in_text(replace(name)): count_up(member, n, cycle) for name, member in value.items()}
        case list():
            return [count_up(member, n, cycle) for member in value]
        case str():
            return replace(value)
        case _:
            return value


def replace_cycle(value: Json, cycle: list[Json] | None, n: int) -> Json:
    """Return the value with `{cycle}` alone replaced, by the n-th member, again and again."""
    if not cycle:
        return value
    chosen = cycle[(n - 1) % len(cycle)]
    return _map_texts(value, lambda text: chosen if text == "{cycle}" else text.replace("{cycle}", in_text(chosen)))


def rename_organizations(value: Json, suffix: str, *, raw: bool = False) -> Json:
    """Return the value with `acme`, `beta` and `gamma` given the suffix, wherever they stand for an organization; with
    `raw` also where a text says `{acme}`."""

    def rename(text: str) -> str:
        text = _BEGINS_WITH_ORGANIZATION.sub(rf"\1\2-{suffix}", text, count=1) if _starts(text) else text
        return _ORGANIZATION_IN_RAW_TEXT.sub(rf"\1-{suffix}", text) if raw else text

    match value:
        case dict():
            return {
                name: f"{member}-{suffix}"
                if name in _ORGANIZATION_MEMBERS and isinstance(member, str) and member in ORGANIZATIONS
                else rename_organizations(member, suffix, raw=raw)
                for name, member in value.items()
            }
        case list():
            return [rename_organizations(member, suffix, raw=raw) for member in value]
        case str():
            return rename(value)
        case _:
            return value


LONGEST_WAITED_FOR_SECONDS = 60
"""No case waits for an instant that is further ahead."""


@dataclass(frozen=True)
class InstantOfCase:
    """An expected instant that the case itself names (`<now>`, `<step X>`): matched as an instant, not as text."""

    instant: datetime


@dataclass(frozen=True)
class Generators:
    """What the generators of one record refer to.

    `now` is the moment of sending; `instant_of_step` gives the instant of a step by number or name and raises
    `LookupError` where it has none yet; `bindings` are the values bound by `<same:NAME>` before; instants that a case
    waits for come `stretch` times as late.
    """

    now: datetime
    instant_of_step: Callable[[str], datetime]
    bindings: dict[str, Any]
    stretch: int = 1

    def expand_sent(self, value: Json) -> Json:
        """Return the value to send, with generators replaced. Raises `LookupError` for a name that is not bound."""
        return _map_texts(value, self._expand_text)

    def expand_expected(self, value: Json) -> Json:
        """Return the value to expect: generators replaced, placeholders kept, lone instants as `InstantOfCase`."""

        def expand(text: str) -> Json:
            if _INSTANT_ALONE.fullmatch(text):
                return InstantOfCase(self._instant(_found(text)))
            if text.startswith(("<same:", "<other:", "<after:")):
                return text
            return self._expand_text(text)

        return _map_texts(value, expand)

    def instant(self, text: str) -> datetime | None:
        """Return the instant that the whole text generates, or `None` when it generates none."""
        return self._instant(_found(text)) if _INSTANT_ALONE.fullmatch(text) else None

    def _expand_text(self, text: str) -> Json:
        if "<" not in text:
            return text
        as_list = _LIST.fullmatch(text)
        if as_list:
            template = as_list.group(2)
            return [self._expand_text(template.replace("{n}", str(n + 1))) for n in range(int(as_list.group(1)))]
        whole = _GENERATOR.fullmatch(text)
        if whole and whole.group("same"):
            return self.bindings[whole.group("same")]
        return _GENERATOR.sub(self._generated, text)

    def _generated(self, found: re.Match[str]) -> str:
        if found.group("count"):
            return found.group("text") * int(found.group("count"))
        if found.group("same"):
            return in_text(self.bindings[found.group("same")])
        return instant_text(self._instant(found))

    def _instant(self, found: re.Match[str]) -> datetime:
        if found.group("now"):
            offset_seconds = float(found.group("offset_seconds") or 0)
            is_waited_for = 0 < offset_seconds < LONGEST_WAITED_FOR_SECONDS
            return self.now + timedelta(seconds=offset_seconds * (self.stretch if is_waited_for else 1))
        instant = self.instant_of_step(found.group("step"))
        return instant - timedelta(microseconds=1) if found.group("before") else instant


def waits_for_instant(value: Json) -> bool:
    """Return whether a text in what is sent generates an instant that its case waits for."""
    found = (_GENERATOR.finditer(text) for text in _texts(value))
    return any(0 < float(one.group("offset_seconds") or 0) < LONGEST_WAITED_FOR_SECONDS for one in chain(*found))


def _texts(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            yield from chain(*map(_texts, value.values()))
        case list():
            yield from chain(*map(_texts, value))
        case _:
            pass


def _member(each: Json, path: str) -> Json:
    value = each
    for name in path.split(".")[1:]:
        if not isinstance(value, dict) or name not in value:
            raise FormatError(f"<each{path}> finds no member {name!r}")
        value = value[name]
    return value


def _map_texts(value: Json, change: Callable[[str], Json]) -> Json:
    """Return a copy with every text changed, also the names of members (which stay text)."""
    match value:
        case dict():
            return {in_text(change(name)): _map_texts(member, change) for name, member in value.items()}
        case list():
            return [_map_texts(member, change) for member in value]
        case str():
            return change(value)
        case _:
            return value


def _starts(text: str) -> bool:
    return _BEGINS_WITH_ORGANIZATION.match(text) is not None


def _found(text: str) -> re.Match[str]:
    found = _GENERATOR.fullmatch(text)
    if found is None:
        raise LookupError(f"{text} generates nothing")
    return found
