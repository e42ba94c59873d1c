"""Whose a record is, found before it is read: records of one organization wait for each other, and for nobody else."""

import re

from schemas.parsing import organization_of, organization_of_key
from schemas.records import Record

_NAMED = re.compile(rb'"organization"\s*:\s*"([a-z0-9.-]+)"')


def boundary_of(record: Record, most_bytes: int) -> str:
    """Return the organization of a record of at most so many bytes, else `topic/partition`, as dead letters do.

    Whether there is such an organization, and the record is one that can be answered, is not decided here.
    """
    return _plainly_named(record.value) or _read(record, most_bytes) or f"{record.topic}/{record.partition}"


def _plainly_named(value: bytes | None) -> str | None:
    """Return the organization that a value names, if nothing but reading it whole could tell of another one.

    A name that is written once, without an escape anywhere, is either that of the data or the data have none.
    """
    if value is None or b"\\" in value or b"data_base64" in value or value.count(b'"organization"') != 1:
        return None
    named = _NAMED.search(value)
    return None if named is None else named[1].decode()


def _read(record: Record, most_bytes: int) -> str | None:
    try:
        return organization_of(record, most_bytes)
    except Exception:  # noqa: BLE001 (a record with a fault becomes a dead letter when it is decided, and is told of then)
        return organization_of_key(record)
