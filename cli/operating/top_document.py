"""The documents of `whopays top --json`: everything that the screen shows, for programs."""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cli.operating import dead_letters
from cli.operating.scraping import AtWork
from cli.operating.standing import is_well
from cli.operating.waiting import Waiting
from cli.operating.watched import View
from db.at_work import OpenFanOut, Slot
from db.replays import KeptReplay
from schemas.instants import format_instant

_NAMED = 5


def document_of(view: View, now: datetime) -> dict[str, Any]:
    """Return the last view. What is unknown, or needs a second look, is null or left out."""
    found = [one for told in view.standings.values() for one in told]
    return {
        "installation": view.installation,
        "time": format_instant(now),
        "well": is_well(found),
        "checks": [one.document() for one in found],
        "topics": [_topic(one, view) for one in view.waiting],
        "events": {
            "waiting": view.unpublished,
            "oldestSeconds": None if view.unpublished is None else _rounded(view.unpublished_seconds),
            "perSecond": _rounded(view.published),
            "slots": [_slot(one, view.held_seconds) for one in view.slots],
        },
        "roles": [_role(one) for told in view.at_work.values() for one in told],
        "commandsPerSecond": {outcome: _rounded(rate) for outcome, rate in sorted(view.outcomes.items())},
        "beingAnnounced": [_fan_out(one) for one in view.fan_outs],
        "replays": [_replay(one) for one in view.replays],
        "deadLetters": [dead_letters.document_of(one) for one in view.letters],
    }


def _topic(one: Waiting, view: View) -> dict[str, Any]:
    keys = Counter(one.keys)
    return {
        "topic": one.topic,
        "waiting": one.records,
        "oldestSeconds": _rounded(one.seconds),
        "perSecond": _rounded(view.decided.get(one.topic)),
        "readers": [{"host": reader.host, "partitions": reader.partitions} for reader in one.readers],
        "next": {
            "records": keys.total(),
            "organizations": [
                {"organization": None if key is None else key.decode(errors="replace"), "records": number}
                for key, number in keys.most_common(_NAMED)
            ],
        },
    }


def _slot(one: Slot, held_seconds: Mapping[int, float]) -> dict[str, Any]:
    return {
        "slot": one.number,
        "holder": one.holder,
        "heldSeconds": _rounded(held_seconds.get(one.number)),
        "lastHolder": one.owner,
        "leaseSeconds": _rounded(one.seconds_left),
    }


def _role(one: AtWork) -> dict[str, Any]:
    made = one.batches
    return {
        "role": one.role,
        "at": one.address,
        "silentSeconds": _rounded(one.silent_seconds),
        "batchesPerSecond": None if made is None else _rounded(made.a_second),
        "batchSeconds": None if made is None else _rounded(made.seconds),
        "stepSeconds": {} if made is None else {step: _rounded(seconds) for step, seconds in made.steps.items()},
    }


def _fan_out(one: OpenFanOut) -> dict[str, Any]:
    return {
        "organization": one.organization,
        "account": one.account,
        "kind": one.kind,
        "since": format_instant(one.instant),
        "toldUpTo": one.told or None,
        "projects": one.projects,
    }


def _replay(one: KeptReplay) -> dict[str, Any]:
    return {
        "name": one.name,
        "state": one.state,
        "records": one.records,
        "lookedAt": one.looked_at,
        "toLookAt": one.to_look_at,
        "worker": one.owner if one.is_leased else None,
        "trouble": one.trouble,
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else round(number, 6)
