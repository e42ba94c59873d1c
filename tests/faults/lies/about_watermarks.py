"""Lies about watermarks: what they close, where, and when."""

import json
from collections.abc import Callable

from tests.faults.judge.evidence import Evidence, Json, Published
from tests.faults.lies.altering import earlier, set_to
from tests.faults.lying import Lying, row_added, row_altered


def _said(change: Callable[[Json], None]) -> Callable[[Published], Published]:
    def altered(one: Published) -> Published:
        watermark = json.loads(one.value)
        change(watermark)
        return one._replace(value=json.dumps(watermark).encode())

    return altered


def _one_more(change: Callable[[Json], None]) -> Lying:
    """Tell a watermark that closes all, with something altered."""

    def make(evidence: Evidence) -> Published:
        last = max(json.loads(one.value)["time"] for one in evidence.published if one.topic == "bindings")
        one = evidence.watermarks[-1]
        closed = max(last, json.loads(one.value)["data"]["closedUntil"])
        identity = set_to("id", f"watermark-{closed}")
        for step in (set_to("data/closedUntil", closed), identity, set_to("time", closed), change):
            one = _said(step)(one)
        return one

    return row_added("watermarks", make)


def _row_in_the_log(evidence: Evidence) -> None:
    evidence.log[-1] = evidence.log[-1]._replace(topic="watermarks")


LIES: dict[str, dict[str, Lying]] = {
    "watermarks close what stands before them": {
        "a watermark comes before its events": _one_more(set_to("data/offsets", lambda offsets: [0] * len(offsets))),
        "a watermark forgets a partition": _one_more(set_to("data/offsets", [])),
    },
    "watermarks never fall": {
        "a watermark falls": _one_more(set_to("data/closedUntil", earlier)),
        "a watermark is repeated otherwise": row_added(
            "watermarks", lambda evidence: _said(set_to("data/offsets", []))(evidence.watermarks[-1])
        ),
    },
    "watermarks close no future": {
        "a watermark closes the future": row_altered("watermarks", _said(set_to("time", earlier))),
    },
    "watermarks are named by what they say": {
        "a watermark has another id": row_altered("watermarks", _said(set_to("id", "watermark-0"))),
        "a watermark has another key": row_altered("watermarks", lambda one: one._replace(key=b"accounts")),
        "a watermark is in the log": _row_in_the_log,
    },
}
"""By the rule that must see through them, and by what they say."""
