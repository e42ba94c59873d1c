"""Which organization a record belongs to, found before it is parsed: order matters only within an organization."""

import re

from schemas.parsing import organization_of, organization_of_key
from schemas.records import Record

_NAMED = re.compile(rb'"organization"\s*:\s*"([a-z0-9.-]+)"')


def boundary_of(record: Record, most_bytes: int) -> str:
    """Return the organization of a record of at most `most_bytes`, else `topic/partition`, as dead letters do.

    Does not check that the organization exists, or that the record can be answered.
    """
    return _plainly_named(record.value) or _read(record, most_bytes) or f"{record.topic}/{record.partition}"


def _plainly_named(value: bytes | None) -> str | None:
    """Return the organization that a value names, where a search of its bytes is certain to find the right one.

    A name that occurs only once, in a value without escapes, is the data's; otherwise the data name none.
    """
    if value is None or b"\\" in value or b"data_base64" in value or value.count(b'"organization"') != 1:
        return None
    named = _NAMED.search(value)
    return None if named is None else named[1].decode()


def _read(record: Record, most_bytes: int) -> str | None:
    try:
        return organization_of(record, most_bytes)
    except Exception:  # noqa: BLE001 (a faulty record becomes a dead letter, and is logged, when it is decided)
        return organization_of_key(record)
