"""The mode of CloudEvents' Kafka binding that a record uses, and where its data is (docs/contract.md section 2)."""

from base64 import b64decode
from typing import Any

from schemas.card_numbers import may_hold_card_number
from schemas.found import found_instead
from schemas.records import DeadLetterReason, Headers, Record, Unanswerable
from schemas.strict_json import NotStrictJson, as_text, read_object

_PREFIX = "ce_"
_STRUCTURED = b"application/cloudevents"
_DATA = ("data", "data_base64")
_ATTRIBUTES = frozenset(
    {
        "specversion", "id", "source", "type", "subject", "time", "expirytime", "authid", "partitionkey",
        "correlationid", "traceparent",
    }
)  # fmt: skip


def attributes_and_data(record: Record, max_value_bytes: int) -> tuple[dict[str, Any], Any]:
    """Split a record into its CloudEvents attributes, unchecked, and its data.

    Raise Unanswerable (Tombstone, TooLarge, Undecodable, CardNumber).
    """
    value = value_of(record, max_value_bytes)
    attributes, is_binary = attributes_of(record.headers, value)
    if is_binary:
        return attributes, value
    if "specversion" not in attributes:
        # Not a CloudEvent: any of its members may be data, so all of them are searched for card numbers.
        return attributes, {name: member for name, member in value.items() if name not in _ATTRIBUTES}
    return attributes, _data_of(value, record.value or b"")


def value_of(record: Record, max_value_bytes: int) -> dict[str, Any]:
    """Return a record's value as a JSON object. Raise Unanswerable like `attributes_and_data`."""
    value = record.value
    if value is None:
        raise Unanswerable(DeadLetterReason.TOMBSTONE, "the record has no value; nothing is deleted by it")
    if len(value) > max_value_bytes:
        detail = f"the value has {len(value)} bytes, at most {max_value_bytes} are read"
        raise _unreadable(value, DeadLetterReason.TOO_LARGE, detail)
    try:
        return read_object(value)
    except NotStrictJson as error:
        raise _undecodable(value, str(error)) from None


def attributes_of(headers: Headers, value: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a record's attributes, and whether it is in binary mode; a record without `specversion` is in neither."""
    in_headers: dict[str, Any] = {}
    plain_trace: Any = None
    is_structured = False
    for name, text in headers:
        if name.startswith(_PREFIX):
            in_headers[name.removeprefix(_PREFIX)] = _header_text(text)
        elif name == "traceparent":
            plain_trace = _header_text(text)
        elif text is not None and name.lower() == "content-type" and text[: len(_STRUCTURED)].lower() == _STRUCTURED:
            is_structured = True
    is_binary = "specversion" in in_headers and not (is_structured and value.get("specversion") is not None)
    if is_binary or (in_headers and value.get("specversion") is None and "id" not in value):
        attributes = {name: text for name, text in in_headers.items() if text is not None}
    else:
        attributes = {
            name: as_text(member) for name, member in value.items() if name not in _DATA and member is not None
        }
    if plain_trace is not None:
        attributes.setdefault("traceparent", plain_trace)
    return attributes, is_binary


def _data_of(value: dict[str, Any], raw: bytes) -> Any:
    """Return the data of a record in structured mode with the value `raw`: sent as JSON, or as JSON in base64."""
    data, in_base64 = value.get("data"), value.get("data_base64")
    if in_base64 is None:
        return data
    if data is not None:
        raise _undecodable(raw, "there are both data and data_base64: send one of them")
    if not isinstance(in_base64, str):
        raise _undecodable(raw, f"data_base64 must be base64 and is {found_instead(in_base64)}")
    try:
        return read_object(b64decode(in_base64, validate=True))
    except NotStrictJson as error:
        raise _undecodable(raw, f"the bytes in data_base64: {error}") from None
    except ValueError:
        raise _undecodable(raw, "data_base64 must be base64") from None


def _undecodable(value: bytes, detail: str) -> Unanswerable:
    return _unreadable(value, DeadLetterReason.UNDECODABLE, detail)


def _unreadable(value: bytes, reason: DeadLetterReason, detail: str) -> Unanswerable:
    if may_hold_card_number(value):
        return Unanswerable(
            DeadLetterReason.CARD_NUMBER,
            "the value cannot be read, and holds what looks like a card number; nothing of it is kept",
        )
    return Unanswerable(reason, detail)


def _header_text(value: bytes | None) -> Any:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return value  # not text: malformed, which differs from absent
