"""Rules of watermarks: what they closed stands where they say, they never fall, and they close no future."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from tests.faults.judge.evidence import Evidence, Json


def watermarks_close_what_stands_before_them(evidence: Evidence) -> Iterator[str]:
    """No change of payer at or before what a watermark closed stands at or after its offset, or is yet to come."""
    seen = {one.id for one in evidence.published}
    changes: defaultdict[int, list[tuple[str, int, str]]] = defaultdict(list)
    for one in evidence.published:
        if one.topic == "bindings":
            changes[one.partition].append((json.loads(one.value)["time"], one.offset, one.id))
    unpublished = [
        (json.loads(row.value)["time"], f"{row.shard}-{row.position}")
        for row in evidence.log
        if row.topic == "bindings" and f"{row.shard}-{row.position}" not in seen
    ]
    # Up to each change, in order of time, the one that stands last.
    last = {
        partition: (
            [time for time, _, _ in sorted(told)],
            list(accumulate(((offset, event) for _, offset, event in sorted(told)), max)),
        )
        for partition, told in changes.items()
    }
    for watermark in _told(evidence):
        closed, offsets = watermark["data"]["closedUntil"], watermark["data"]["offsets"]
        for partition, (times, standing) in last.items():
            until = bisect_right(times, closed)
            asked = offsets[partition] if partition < len(offsets) else 0
            if until and standing[until - 1][0] >= asked:
                yield f"{standing[until - 1][1]} does not stand before the offset {asked}, though {closed} is closed"
        yield from (
            f"{name} is not published, though {closed} is closed" for time, name in unpublished if time <= closed
        )


def watermarks_never_fall(evidence: Evidence) -> Iterator[str]:
    """Each closes as much as the one before, and says the same where it closes no more."""
    before = None
    for one, watermark in zip(evidence.watermarks, _told(evidence), strict=True):
        closed = watermark["data"]["closedUntil"]
        if before is not None and closed < before[0]:
            yield f"{closed} follows {before[0]}"
        if before is not None and closed == before[0] and one.value != before[1]:
            yield f"{closed} is repeated otherwise"
        before = (closed, one.value)


def watermarks_close_no_future(evidence: Evidence) -> Iterator[str]:
    """None closes what was still to come when it was written."""
    for watermark in _told(evidence):
        if watermark["data"]["closedUntil"] > watermark["time"]:
            yield f"{watermark['data']['closedUntil']} was closed at {watermark['time']}"


def watermarks_are_named_by_what_they_say(evidence: Evidence) -> Iterator[str]:
    """They have the key, the type and the id of the contract, and no place in the log."""
    for one, watermark in zip(evidence.watermarks, _told(evidence), strict=True):
        expected = {
            "id": f"watermark-{watermark['data']['closedUntil']}",
            "type": "io.milo.billing.Watermark.v1",
            "subject": "bindings",
            "partitionkey": "bindings",
            "sequence": None,
        }
        found = {name: watermark.get(name) for name in expected}
        if found != expected or one.key != b"bindings":
            yield f"a watermark is {found}, its key {one.key!r}"
    for row in evidence.log:
        if row.topic == "watermarks":
            yield f"{row.shard}-{row.position} is a watermark in the log"


def _told(evidence: Evidence) -> list[Json]:
    return [json.loads(one.value) for one in evidence.watermarks]
