"""How to lie about true evidence: records, rows and events are dropped, doubled, altered or made up.

Forging an event forges the log with it, including hashes, so that only the rule about its content can notice.
"""

import json
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any, TypeVar

from tests.faults.judge.evidence import Evidence, Json, Published

Lying = Callable[[Evidence], None]
Where = Callable[[Json], Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Lie:
    """What is done to a copy of the evidence, and the rule that notices."""

    rule: str
    tell: Lying


def told(lie: Lie, truth: Evidence) -> Evidence:
    """Return a copy of the evidence with the lie in it."""
    evidence = copy(truth)
    for field in fields(evidence):
        setattr(evidence, field.name, copy(getattr(evidence, field.name)))
    lie.tell(evidence)
    return evidence


def anything(_: Json) -> bool:
    """Choose anything."""
    return True


def dropped(name: str, where: Where = anything) -> Lying:
    """Remove an event from the topics."""
    return lambda evidence: evidence.published.remove(chosen(evidence, name, where))


def doubled(name: str, where: Where = anything, *, event_id: str | None = None) -> Lying:
    """Publish an event twice, the second time as another event if an id is given."""

    def lie(evidence: Evidence) -> None:
        one = chosen(evidence, name, where)
        event = json.loads(one.value) | {"id": event_id or one.id}
        last = max(other.offset for other in evidence.published)
        copied = one._replace(id=event_id or one.id, offset=last + 1, value=json.dumps(event).encode())
        evidence.published.append(copied)

    return lie


def forged(name: str, change: Callable[[Json], Any], where: Where = anything) -> Lying:
    """Alter an event, on its topic and in the log alike."""

    def lie(evidence: Evidence) -> None:
        one = chosen(evidence, name, where)
        event = json.loads(one.value)
        change(event)
        value = json.dumps(event, separators=(",", ":")).encode()
        assert json.loads(one.value) != event, "nothing was altered"
        evidence.published[evidence.published.index(one)] = one._replace(value=value)
        place = next(place for place, row in enumerate(evidence.log) if f"{row.shard}-{row.position}" == one.id)
        evidence.log[place] = evidence.log[place]._replace(value=value)
        _rehash(evidence)

    return lie


def row_gone(table: str, where: Callable[[Any], Any] = anything) -> Lying:
    """Remove a row from what a table, or a topic, held."""

    def lie(evidence: Evidence) -> None:
        rows = getattr(evidence, table)
        del rows[_middle([place for place, row in enumerate(rows) if where(row)])]

    return lie


def row_altered(table: str, change: Callable[[Any], Any], where: Callable[[Any], Any] = anything) -> Lying:
    """Alter a row of what a table, or a topic, held."""

    def lie(evidence: Evidence) -> None:
        rows = getattr(evidence, table)
        place = _middle([place for place, row in enumerate(rows) if where(row)])
        rows[place] = change(rows[place])

    return lie


def row_added(table: str, make: Callable[[Evidence], Any]) -> Lying:
    """Add a row to what a table, or a topic, held."""
    return lambda evidence: getattr(evidence, table).append(make(evidence))


def chosen(evidence: Evidence, name: str, where: Where) -> Published:
    return _middle(list(_matching(evidence, name, where)))


def _matching(evidence: Evidence, name: str, where: Where) -> Iterator[Published]:
    for one in evidence.published:
        event = json.loads(one.value)
        if event["type"].split(".")[-2] == name and where(event):
            yield one


def _middle(found: list[T]) -> T:
    assert found, "the evidence has nothing to lie about"
    return found[len(found) // 2]


def _rehash(evidence: Evidence) -> None:
    last: dict[int, bytes] = {}
    for place, row in enumerate(evidence.log):
        digest = sha256(last.get(row.shard, b""))
        asked = [] if row.asked is None else [row.asked.encode()]
        for part in (row.topic.encode(), b"" if row.key is None else b"\x01" + row.key, row.value, *asked):
            digest.update(len(part).to_bytes(8, "big") + part)
        last[row.shard] = digest.digest()
        evidence.log[place] = row._replace(hash=last[row.shard])
    for shard, hash_ in last.items():
        evidence.heads[shard] = (evidence.heads[shard][0], hash_)
