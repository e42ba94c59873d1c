"""Rows of a log that tell of one project, one account, commands and dead letters."""

from typing import Any

import orjson

from db.log import LogRow, row_hash
from schemas.topics import Topic

NOON, LATER = "2027-01-31T12:00:00.000000Z", "2027-01-31T13:00:00.000000Z"

Said = tuple[Topic, dict[str, Any]]
"""An event, and the topic that it is published on."""


def payer(number: int, account: str, since: str = NOON, until: str | None = None) -> dict[str, Any]:
    """Return a payer as an event repeats it."""
    return {"bindingId": f"acme/web/{number}", "account": account, "establishedAt": since, "endedAt": until}


def binding(sequence: int, change: str, previous: Any, current: Any) -> Said:
    """Return a change of payer of acme/web."""
    data = {"organization": "acme", "change": change, "previous": previous, "current": current}
    return Topic.BINDINGS, {"subject": "acme/web", "sequence": f"{sequence:020}", "data": data}


def account(sequence: int, phase: str, **data: Any) -> Said:
    """Return an event of acme/main."""
    said = {"organization": "acme", "phase": phase, **data}
    return Topic.ACCOUNTS, {"subject": "acme/main", "sequence": f"{sequence:020}", "data": said}


def result(command: str, outcome: str = "Applied", **data: Any) -> Said:
    """Return a result of a command."""
    said = {
        "organization": "acme", "commandSource": "/cli", "commandId": command, "outcome": outcome, "dryRun": False,
        "violations": [], **data,
    }  # fmt: skip
    return Topic.COMMAND_RESULTS, {"subject": f"acme/{command}", "data": said}


def letter(subject: str, **data: Any) -> Said:
    """Return a dead letter about a record."""
    said = {"reason": "HandlerFault", "timestamp": NOON, **data}
    return Topic.DEAD_LETTERS, {"subject": subject, "data": said}


SOUND = (
    account(1, "Provisioning", previousPhase=None),
    account(2, "Provisioning", version=1),
    account(3, "Ready", previousPhase="Provisioning"),
    account(4, "Ready", version=2),
    binding(1, "Bound", None, payer(1, "main")),
    binding(2, "Superseded", payer(1, "main", until=LATER), payer(2, "lab", LATER)),
    binding(3, "Released", payer(2, "lab", LATER, LATER), None),
    binding(4, "Bound", None, payer(4, "main", LATER)),
    result("c1", "Waiting"),
    result("c1"),
    result("c2", "Scheduled"),
    result("c3", dryRun=True),
    result("c4", repeated=True),
    letter("billing.projects/3/1042"),
)
"""A log in which nothing is wrong."""


def rows(said: tuple[Said, ...], begins_after: int = 0, shard: int = 0, hash_: bytes = b"") -> list[LogRow]:
    """Return events as rows of the log."""
    rows = []
    for position, (topic, event) in enumerate(said, begins_after + 1):
        value = orjson.dumps({"id": f"{shard}-{position}"} | event)
        key = event["subject"].encode() if topic in (Topic.ACCOUNTS, Topic.BINDINGS) else b"acme"
        hash_ = row_hash(hash_, topic, key, value)
        rows.append(LogRow(shard, position, topic, key, value, hash_))
    return rows
