"""Recognises bytes that are not plain JSON but written by well-known serializers (docs/contract.md section 6)."""

import codecs
import re

_REGISTRY_BYTES = 5
_LONG_REGISTRY_BYTES = 9
_GUID_REGISTRY_BYTES = 17
_GLUE_BYTES = 18
_PLAIN = "send plain JSON, by another serializer"
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_BEGINNINGS = (
    ((codecs.BOM_UTF8,), "a byte order mark stands before the JSON: send UTF-8 without one"),
    ((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, b"\0\0\0{", b"{\0\0\0"), "UTF-32, which must be UTF-8"),
    ((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\0{", b"{\0"), "UTF-16, which must be UTF-8"),
    ((b"\x1f\x8b",), "compressed with gzip: leave compression to the Kafka producer"),
    ((b"\x28\xb5\x2f\xfd",), "compressed with zstd: leave compression to the Kafka producer"),
    ((b"\x04\x22\x4d\x18",), "compressed with lz4: leave compression to the Kafka producer"),
    ((b"\x82SNAPPY\0",), "compressed with snappy: leave compression to the Kafka producer"),
    ((b"Obj\x01",), f"an Avro file: {_PLAIN}"),
    ((b"\xac\xed\x00\x05",), f"an object that Java serialized: {_PLAIN}"),
    ((b"<",), "XML, where a JSON object must be"),
    ((b"%7B", b"%7b"), "URL-encoded: send the JSON itself"),
    ((b"b'", b'b"'), "bytes in Python's notation: send the bytes themselves"),
)


def why_not_plain_json(raw: bytes) -> str | None:
    """Describe bytes written by a well-known serializer other than plain JSON; None for all others."""
    if raw.startswith(b"{") and raw[1:2] != b"\0":
        return None  # as nearly all values begin
    if raw.strip() == b"":
        return "empty, where a JSON object must be" if raw == b"" else "blank, where a JSON object must be"
    for beginnings, description in _BEGINNINGS:
        if raw.startswith(beginnings):
            return description
    return _of_a_registry(raw) or _binary(raw) or _in_base64(raw)


def is_json_in_base64(text: bytes) -> bool:
    """Return whether a text is a JSON object in base64, which always begins with these letters."""
    return text.startswith((b"ey", b"ew")) and _BASE64.fullmatch(text.strip()) is not None


def _of_a_registry(raw: bytes) -> str | None:
    count = _registry_bytes(raw)
    if count is None:
        return None
    if len(raw) == count:
        return f"{_NUMBERS[count]} bytes of a schema registry, and no message behind them"
    return f"{_NUMBERS[count]} bytes of a schema registry stand before the message: {_PLAIN}"


def _registry_bytes(raw: bytes) -> int | None:
    """Return how many bytes a schema registry put before the message: an id of 4 or 8 bytes, a GUID, or AWS Glue's."""
    if raw.startswith(b"\0") and len(raw) >= _REGISTRY_BYTES:
        is_long = raw[_REGISTRY_BYTES:][:1] != b"{" and raw[_LONG_REGISTRY_BYTES:][:1] == b"{"
        return _LONG_REGISTRY_BYTES if is_long else _REGISTRY_BYTES
    if raw.startswith(b"\x01") and raw[_GUID_REGISTRY_BYTES:][:1] == b"{":
        return _GUID_REGISTRY_BYTES
    if raw.startswith((b"\x03\x00", b"\x03\x05")) and len(raw) > _GLUE_BYTES:
        return _GLUE_BYTES
    return None


def _binary(raw: bytes) -> str | None:
    """Recognise a pickle, and a map whose first key is a short text."""
    if len(raw) > 1 and 0x81 <= raw[0] <= 0x8F and 0xA1 <= raw[1] <= 0xBF:
        return f"MessagePack: {_PLAIN}"
    if len(raw) > 1 and 0xA1 <= raw[0] <= 0xBF and 0x61 <= raw[1] <= 0x77:
        return f"CBOR: {_PLAIN}"
    if raw.startswith(b"\x80") and len(raw) > 1 and raw[1] <= 0x05:
        return f"a pickle of Python: {_PLAIN}"
    return None


def _in_base64(raw: bytes) -> str | None:
    return "JSON in base64: send the JSON itself" if is_json_in_base64(raw) else None


_NUMBERS = {
    _REGISTRY_BYTES: "five",
    _LONG_REGISTRY_BYTES: "nine",
    _GUID_REGISTRY_BYTES: "seventeen",
    _GLUE_BYTES: "eighteen",
}
