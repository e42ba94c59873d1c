"""Field and label selectors, parsed as Kubernetes does, and what they select."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.kubernetes.objects import ACTIVE
from service.kubernetes.resources import BILLING_ACCOUNT_BINDINGS, PHASE, Resource
from service.kubernetes.statuses import bad_request
from service.problems import quoted

_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
_TERMS = re.compile(r"(?:[^\\,]|\\.|\\$)*", re.DOTALL)
_TERM = re.compile(r"(.*?)(!=|==|=)(.*)", re.DOTALL)
_UNESCAPED = re.compile(r"(?:[^\\,=]|\\[\\,=])*", re.DOTALL)

_WORD = r"[^\s=!(),<>]+"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?"
# A value may be empty, so blanks are matched possessively: backtracking over them would take exponential time.
_LABEL_TERM = re.compile(
    rf"""\s*(?:
        (?P<absent>!)\s*(?P<absent_key>{_WORD})
        | (?P<set_key>{_WORD})\s+(?P<set>in|notin)\s*\(\s*+(?P<values>{_VALUE}\s*+(?:,\s*+{_VALUE}\s*+)*)\)
        | (?P<key>{_WORD})\s*(?P<is>==|=|!=)\s*(?P<value>{_VALUE})
        | (?P<bound_key>{_WORD})\s*[<>]\s*-?[0-9]{{1,18}}
        | (?P<present_key>{_WORD})
    )\s*(?:,(?=\s*[^\s,])|$)""",
    re.VERBOSE,
)
_LABEL_KEY = re.compile(
    r"(?:(?=.{1,253}/)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A field must have a value or, unless `is_equal`, any other."""

    field: str
    is_equal: bool
    value: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects that meet all requirements; none if `is_empty`, for instance because a label is required."""

    requirements: tuple[Requirement, ...] = ()
    is_empty: bool = False

    def has(self, fields: Mapping[str, str]) -> bool:
        """Return whether an object with these fields is selected."""
        return not self.is_empty and all((fields[one.field] == one.value) is one.is_equal for one in self.requirements)

    def only(self, field: str) -> str | None:
        """Return the only value that a field may have, or None."""
        return next((one.value for one in self.requirements if one.is_equal and one.field == field), None)

    def narrows_beyond(self, *fields: str) -> bool:
        """Return whether there are requirements other than one value for each of these fields."""
        met = {field: self.only(field) for field in fields}
        return any(not one.is_equal or met.get(one.field) != one.value for one in self.requirements)


def read_selection(resource: Resource, fields: str, labels: str) -> Selection:
    """Return the selection of a field selector and a label selector. Raises Refusal.

    Only active bindings are selected unless the field selector mentions their phase.
    """
    requirements = tuple(_requirements(resource, fields))
    if resource is BILLING_ACCOUNT_BINDINGS and all(one.field != PHASE for one in requirements):
        requirements = (*requirements, Requirement(PHASE, True, ACTIVE))
    return Selection(requirements, is_empty=_requires_a_label(labels))


def _requirements(resource: Resource, selector: str) -> list[Requirement]:
    found = []
    for term in _split(selector):
        parts = _TERM.fullmatch(term)
        if parts is None:
            raise bad_request(f"invalid selector: '{quoted(selector)}'; can't understand '{quoted(term)}'")
        field, operator, value = parts.groups()
        if not _UNESCAPED.fullmatch(value):
            raise bad_request(f"invalid field selector: unescaped character in '{quoted(value)}'")
        if field not in resource.fields:
            raise bad_request(
                f'Unable to find "{resource.api_version}, Resource={resource.plural}" that match label selector "", '
                f'field selector "{quoted(selector)}": field label not supported: {quoted(field)}'
            )
        found.append(Requirement(field, operator != "!=", _ESCAPED.sub(r"\1", value)))
    return found


def _split(selector: str) -> list[str]:
    """Return the terms of a field selector, split at unescaped commas."""
    terms, start = [], 0
    while start <= len(selector):
        term = _TERMS.match(selector, start)
        end = len(selector) if term is None else term.end()
        terms.append(selector[start:end])
        start = end + 1
    return [term for term in terms if term]


def _requires_a_label(selector: str) -> bool:
    """Return whether a label selector excludes objects without labels. Raises Refusal."""
    requires, at = False, 0
    while selector[at:].strip():
        term = _LABEL_TERM.match(selector, at)
        if term is None:
            raise bad_request(f"unable to parse requirement: '{quoted(selector)}'")
        keys = ("absent_key", "set_key", "key", "bound_key", "present_key")
        key = next(term[name] for name in keys if term[name] is not None)
        if not _LABEL_KEY.fullmatch(key):
            raise bad_request(f"unable to parse requirement: '{quoted(key)}' is no label's key")
        requires |= not (term["absent"] or term["set"] == "notin" or term["is"] == "!=")
        at = term.end()
    return requires
