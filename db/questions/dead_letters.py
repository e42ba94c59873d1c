"""The question about dead letters."""

from base64 import b64encode
from collections.abc import Collection
from typing import Any

from db.dead_letters import LARGEST_NUMBER, Choice, KeptDeadLetter, list_dead_letters
from db.driver import Connection
from db.questions.pages import After, Page
from schemas.instants import format_instant
from schemas.records import DeadLetterReason


async def dead_letters(
    connection: Connection,
    *,
    organization: str | None = None,
    topic: str | None = None,
    reason: DeadLetterReason | None = None,
    limit: int,
    after: After | None = None,
    within: Collection[str] | None = None,
) -> Page:
    """Return a page of dead letters, newest first; `topic` includes the prefix. The key is `(number,)`.

    Items are the data of `DeadLetter` without `value`, with `id` (None if the event of an old one is not known),
    `time`, `organization` (or None), and the instants `redriven` and `discarded` (or None). `key` and `headers` are
    None if the record had a card number or was erased. With `within`, only those of the given organizations.
    """
    (number,) = after or (LARGEST_NUMBER,)
    if within is not None and organization is not None:
        if organization not in within:
            return [], None
        within = None
    choice = Choice(organization=organization, topic=topic, reason=reason)
    found = await list_dead_letters(connection, choice, before=number, limit=limit + 1, within=within)
    return [_described(one) for one in found[:limit]], (found[limit - 1].number,) if len(found) > limit else None


def _described(kept: KeptDeadLetter) -> dict[str, Any]:
    record = kept.record
    headers = [{"name": name, "value": _base64(value)} for name, value in record.headers]
    return {
        "id": kept.event_id,
        "time": format_instant(kept.recorded_at),
        "organization": kept.organization,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": format_instant(record.timestamp),
        "reason": str(kept.reason),
        "detail": kept.detail,
        "key": _base64(record.key),
        "headers": headers if kept.is_kept else None,
        "size": kept.size,
        "sha256": kept.sha256 and kept.sha256.hex(),
        "redriven": kept.redriven_at and format_instant(kept.redriven_at),
        "discarded": kept.discarded_at and format_instant(kept.discarded_at),
    }


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else b64encode(raw).decode()
