"""The attributes of a CloudEvent (docs/contract.md section 2): which are required, and which may be malformed."""

import re
from dataclasses import field
from datetime import datetime
from typing import Any

from schemas.found import found_instead, where_the_envelope_is
from schemas.immutable import dataclass
from schemas.instants import parse_instant
from schemas.modes import attributes_of, value_of
from schemas.people import is_authid
from schemas.records import DeadLetterReason, Record, Unanswerable
from schemas.tracing import is_trace_parent, looks_like_token

SPECVERSION = "1.0"
LONGEST_ID = 128
PASSED_ON = ("correlationid", "traceparent")
IGNORABLE = (*PASSED_ON, "time", "expirytime")
"""The attributes that are ignored if malformed."""

_ID = re.compile(r"[\x20-\x7e]{1,128}")
_LONGEST_ATTRIBUTE = 256
_LONGEST_PASSED_ON = 512
_NOT_IN_ATTRIBUTES = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Trail:
    """What a dead letter passes on from its record's envelope: the id, if any, and what every event passes on.

    `ignored` names the malformed attributes that were left out.
    """

    causation_id: str | None = None
    passed_on: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """A readable CloudEvent. `sender` is its `authid`, if that is a valid name.

    `faults` describes the malformed attributes for which a command is rejected; `ignored` names those left out.
    """

    id: str
    source: str
    type: str
    time: datetime
    expires: datetime | None
    sender: str | None
    passed_on: dict[str, str]
    data: Any
    faults: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def trail(self) -> Trail:
        """What its dead letter passes on, if it becomes one."""
        return Trail(self.id, self.passed_on, self.ignored)


def read_cloud_event(attributes: dict[str, Any], data: Any, record: Record, *, is_fact: bool = False) -> CloudEvent:
    """Check the attributes that a record must have to be answered.

    Raise Unanswerable (MissingAttribute, UnsupportedVersion), but not for an optional attribute: see `faults`. A fact
    does not expire.
    """
    specversion = attributes.get("specversion")
    if specversion is None:
        raise _missing(where_the_envelope_is(record.headers, data))
    if not isinstance(specversion, str):
        raise _missing(f'specversion is {found_instead(specversion)}: send it as the text "{SPECVERSION}"')
    if specversion != SPECVERSION:
        raise Unanswerable(
            DeadLetterReason.UNSUPPORTED_VERSION,
            f"specversion must be {SPECVERSION} and is {found_instead(specversion, quoted=True)}",
        )
    identity = attributes.get("id")
    if not isinstance(identity, str) or not _is_id(identity):
        rule = f"id must be 1 to {LONGEST_ID} printable ASCII characters"
        raise _missing(f"{rule} and is {found_instead(identity, longest=LONGEST_ID, is_ascii=True)}")
    for name in ("source", "type"):
        if not _is_attribute(attributes.get(name), _LONGEST_ATTRIBUTE):
            found = found_instead(attributes.get(name), longest=_LONGEST_ATTRIBUTE)
            raise _missing(f"{name} must be 1 to {_LONGEST_ATTRIBUTE} characters and is {found}")
    faults: list[str] = []
    passed_on, ignored = _passed_on(attributes)
    return CloudEvent(
        id=identity,
        source=attributes["source"],
        type=attributes["type"],
        time=_instant(attributes, "time", ignored) or record.timestamp,
        expires=_instant(attributes, "expirytime", ignored if is_fact else faults),
        sender=_sender(attributes),
        passed_on=passed_on,
        data=data,
        faults=tuple(f"{name} must be an RFC 3339 instant with offset" for name in faults),
        ignored=tuple(ignored),
    )


def trail_of(record: Record, max_value_bytes: int) -> Trail:
    """Return what a dead letter passes on from its record's envelope: nothing if that is unreadable."""
    try:
        attributes, _ = attributes_of(record.headers, value_of(record, max_value_bytes))
    except Unanswerable:
        attributes, is_binary = attributes_of(record.headers, {})
        if not is_binary:
            return Trail()
    identity = attributes.get("id")
    passed_on, ignored = _passed_on(attributes)
    _instant(attributes, "time", ignored)
    return Trail(identity if _is_id(identity) else None, passed_on, tuple(ignored))


def _missing(detail: str) -> Unanswerable:
    return Unanswerable(DeadLetterReason.MISSING_ATTRIBUTE, detail)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_attribute(value: object, longest: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest and _NOT_IN_ATTRIBUTES.search(value) is None


def _instant(attributes: dict[str, Any], name: str, malformed: list[str]) -> datetime | None:
    value = attributes.get(name)
    if value is None:
        return None
    try:
        return parse_instant(value)
    except (TypeError, ValueError):
        malformed.append(name)
        return None


def _sender(attributes: dict[str, Any]) -> str | None:
    value = attributes.get("authid")
    is_name = isinstance(value, str) and is_authid(value) and not looks_like_token(value)
    return value if is_name else None


def _passed_on(attributes: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Return the attributes that every event passes on, and the names of those that are malformed."""
    kept: dict[str, str] = {}
    ignored: list[str] = []
    for name in PASSED_ON:
        value = attributes.get(name)
        if value is None:
            continue
        is_one = _is_attribute(value, _LONGEST_PASSED_ON) and not looks_like_token(value)
        if is_one and (name != "traceparent" or is_trace_parent(value)):
            kept[name] = value
        else:
            ignored.append(name)
    return kept, ignored
