"""Rules about transport: what was acknowledged is there, the log is whole, and the topics hold it exactly once."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.judge.evidence import Evidence, Row


def acknowledged_records_are_in_their_topics(evidence: Evidence) -> Iterator[str]:
    """What the broker acknowledged is where it said, unless the test deleted it."""
    held = {one.place: one for one in evidence.heard}
    for one in evidence.acknowledged:
        if held.get(one.place) != one:
            yield f"{_at(*one.place)} is not what was acknowledged there"


def log_has_no_hole(evidence: Evidence) -> Iterator[str]:
    """Positions of each shard are 1, 2, 3 … from where it begins up to its head."""
    last = defaultdict(int, evidence.begins)
    for row in evidence.log:
        if row.position != last[row.shard] + 1:
            yield f"shard {row.shard}: position {row.position} follows {last[row.shard]}"
        last[row.shard] = row.position
    for shard, (position, _) in evidence.heads.items():
        if position != last[shard]:
            yield f"shard {shard}: the log ends at {last[shard]}, its head says {position}"


def hash_chain_holds(evidence: Evidence) -> Iterator[str]:
    """Each row's hash covers the row before it, and its topic, key and value."""
    last: defaultdict[int, bytes] = defaultdict(bytes)
    for row in evidence.log:
        if _hash(last[row.shard], row) != row.hash:
            yield f"shard {row.shard}, position {row.position}: the hash is not that of the row"
        last[row.shard] = row.hash
    for shard, (_, hash_) in evidence.heads.items():
        if hash_ != last[shard]:
            yield f"shard {shard}: the head's hash is not that of the last row"


def log_and_topics_are_the_same(evidence: Evidence) -> Iterator[str]:
    """Each row was published unchanged, and nothing else was."""
    logged = {f"{row.shard}-{row.position}": (row.topic, row.key, row.value) for row in evidence.log}
    published = {one.id: (one.topic, one.key, one.value) for one in evidence.published}
    yield from (f"{event_id} was never published" for event_id in logged.keys() - published.keys())
    yield from (f"{event_id} is published, but not in the log" for event_id in published.keys() - logged.keys())
    for event_id in logged.keys() & published.keys():
        if logged[event_id] != published[event_id]:
            yield f"{event_id} was published with other content"


def events_are_published_once(evidence: Evidence) -> Iterator[str]:
    """No id is published twice."""
    for event_id, times in Counter(one.id for one in evidence.published).items():
        if times > 1:
            yield f"{event_id} was published {times} times"


def events_are_published_in_order(evidence: Evidence) -> Iterator[str]:
    """Events of one key lie in one partition, and there in the order of the log."""
    partitions: dict[tuple[str, bytes], int] = {}
    last: dict[tuple[str, int, int], int] = {}
    for one in sorted(evidence.published, key=lambda record: (record.topic, record.partition, record.offset)):
        shard, _, position = one.id.partition("-")
        place = (one.topic, one.partition, int(shard))
        if int(position) < last.get(place, 0):
            yield f"{one.id} is published after {shard}-{last[place]}"
        last[place] = int(position)
        if one.key is not None and partitions.setdefault((one.topic, one.key), one.partition) != one.partition:
            yield f"{one.id} is in another partition than earlier events of its key"


def headers_name_the_event(evidence: Evidence) -> Iterator[str]:
    """The id in the headers is the one in the value, and the key is its partition key."""
    for one in evidence.published:
        event = json.loads(one.value)
        if event["id"] != one.id:
            yield f"{one.id} says in its value that it is {event['id']}"
        if one.topic != "dead-letters" and (one.key or b"").decode() != event["partitionkey"]:
            yield f"{one.id} has another key than it says"


def nothing_is_left_unfinished(evidence: Evidence) -> Iterator[str]:
    """Everything that was to happen later has happened."""
    yield from evidence.unfinished


def money_is_the_same_in_events_and_database(evidence: Evidence) -> Iterator[str]:
    """Who pays for what at any instant: all events together agree with the database's answers."""
    changes: defaultdict[tuple[str, str], list[tuple[str, str | None]]] = defaultdict(list)
    for one in evidence.published:
        if one.topic == "bindings":
            event = json.loads(one.value)
            current = event["data"]["current"]
            project = (event["data"]["organization"], event["data"]["project"])
            changes[project].append((event["time"], current and current["account"]))
    for instant, payers in evidence.paid_at:
        text = instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
        computed = {}
        for project, told in changes.items():
            payer = max(((time, account) for time, account in told if time <= text), default=("", None))[1]
            if payer is not None:
                computed[project] = payer
        for project in sorted(computed.keys() | payers.keys()):
            if computed.get(project) != payers.get(project):
                said = f"events say {computed.get(project)}, the database says {payers.get(project)}"
                yield f"{'/'.join(project)} at {text}: {said}"


def _hash(previous: bytes, row: Row) -> bytes:
    digest = hashlib.sha256(previous)
    asked = [] if row.asked is None else [row.asked.encode()]
    for part in (row.topic.encode(), b"" if row.key is None else b"\x01" + row.key, row.value, *asked):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _at(topic: str, partition: int, offset: int) -> str:
    return f"{topic}/{partition}/{offset}"
