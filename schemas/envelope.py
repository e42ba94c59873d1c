"""CloudEvents 1.0 in its Kafka binding, as it is read (docs/contract.md section 2): structured and binary mode."""

import re
from datetime import datetime
from typing import Any

from schemas.card_numbers import may_hold_card_number
from schemas.immutable import dataclass
from schemas.people import is_authid
from schemas.records import DeadLetterReason, Record, Unanswerable
from schemas.scalars import parse_instant
from schemas.strict_json import NotStrictJson, read_object

SPECVERSION = "1.0"
TYPE_PREFIX = "io.milo.billing."
PASSED_ON = ("correlationid", "traceparent")

_ID = re.compile(r"[\x20-\x7e]{1,128}")
_LONGEST_ATTRIBUTE = 256
_LONGEST_PASSED_ON = 512
_NOT_IN_ATTRIBUTES = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")


def type_of(name: str) -> str:
    """Return the `type` attribute of a message of this service: `io.milo.billing.{name}.v1`."""
    return f"{TYPE_PREFIX}{name}.v1"


def short_type(type_: str) -> str:
    """Return the name in a `type` attribute: `BindProject` of `io.milo.billing.BindProject.v1`."""
    return type_.removeprefix(TYPE_PREFIX).removesuffix(".v1")


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """A readable CloudEvent. `faults` names the optional attributes that are malformed, in words.

    `sender` is its `authid`, if that names somebody.
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


def attributes_and_data(record: Record, max_value_bytes: int) -> tuple[dict[str, Any], Any]:
    """Take a record apart into its CloudEvents attributes, unchecked, and its data.

    Raises Unanswerable (Tombstone, TooLarge, Undecodable, CardNumber).
    """
    if record.value is None:
        raise Unanswerable(DeadLetterReason.TOMBSTONE, "the record has no value; nothing is deleted by it")
    if len(record.value) > max_value_bytes:
        size = len(record.value)
        raise _unreadable(
            record.value, DeadLetterReason.TOO_LARGE, f"the value has {size} bytes, at most {max_value_bytes} are read"
        )
    try:
        value = read_object(record.value)
    except NotStrictJson as error:
        raise _unreadable(record.value, DeadLetterReason.UNDECODABLE, str(error)) from None
    binary = _binary_attributes(record.headers)
    if "specversion" in binary:
        return binary, value
    return value, value.get("data")


def read_cloud_event(attributes: dict[str, Any], data: Any, record: Record) -> CloudEvent:
    """Check the attributes that a record must have to be answered.

    Raises Unanswerable (MissingAttribute, UnsupportedVersion), but not for an optional attribute: see `faults`.
    """
    specversion = attributes.get("specversion")
    if not isinstance(specversion, str):
        raise Unanswerable(DeadLetterReason.MISSING_ATTRIBUTE, "specversion is missing")
    if specversion != SPECVERSION:
        raise Unanswerable(DeadLetterReason.UNSUPPORTED_VERSION, f"specversion must be {SPECVERSION}")
    identity = attributes.get("id")
    if not isinstance(identity, str) or _ID.fullmatch(identity) is None:
        raise Unanswerable(DeadLetterReason.MISSING_ATTRIBUTE, "id must be 1 to 128 printable ASCII characters")
    for name in ("source", "type"):
        if not _is_attribute(attributes.get(name), _LONGEST_ATTRIBUTE):
            raise Unanswerable(
                DeadLetterReason.MISSING_ATTRIBUTE, f"{name} must be 1 to {_LONGEST_ATTRIBUTE} characters"
            )
    faults: list[str] = []
    return CloudEvent(
        id=identity,
        source=attributes["source"],
        type=attributes["type"],
        time=_instant(attributes, "time", faults) or record.timestamp,
        expires=_instant(attributes, "expirytime", faults),
        sender=_sender(attributes),
        passed_on=_passed_on(attributes, faults),
        data=data,
        faults=tuple(faults),
    )


def _unreadable(value: bytes, reason: DeadLetterReason, detail: str) -> Unanswerable:
    if may_hold_card_number(value):
        return Unanswerable(
            DeadLetterReason.CARD_NUMBER,
            "the value cannot be read, and holds what looks like a card number; nothing of it is kept",
        )
    return Unanswerable(reason, detail)


def _binary_attributes(headers: tuple[tuple[str, bytes | None], ...]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for name, value in headers:
        if name.startswith("ce_"):
            try:
                attributes[name[3:]] = None if value is None else value.decode("utf-8")
            except UnicodeDecodeError:
                attributes[name[3:]] = value  # no text: malformed, which is not the same as absent
    return attributes


def _is_attribute(value: object, longest: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest and _NOT_IN_ATTRIBUTES.search(value) is None


def _instant(attributes: dict[str, Any], name: str, faults: list[str]) -> datetime | None:
    value = attributes.get(name)
    if value is None:
        return None
    try:
        return parse_instant(value)
    except (TypeError, ValueError):
        faults.append(f"{name} must be an RFC 3339 instant with offset")
        return None


def _sender(attributes: dict[str, Any]) -> str | None:
    value = attributes.get("authid")
    return value if isinstance(value, str) and is_authid(value) else None


def _passed_on(attributes: dict[str, Any], faults: list[str]) -> dict[str, str]:
    kept = {}
    for name in PASSED_ON:
        value = attributes.get(name)
        if value is None:
            continue
        if _is_attribute(value, _LONGEST_PASSED_ON):
            kept[name] = value
        else:
            faults.append(f"{name} must be 1 to {_LONGEST_PASSED_ON} characters without control characters")
    return kept
