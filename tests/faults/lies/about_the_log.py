"""Lies about records, the log and the topics: what is there, in which order, once, and unaltered."""

from datetime import datetime

from tests.faults.judge.evidence import Evidence, Json, Row
from tests.faults.lies.altering import BINDING, NOTICE, OTHER_ID, SOMEBODY_ELSE, set_to
from tests.faults.lying import Lying, doubled, dropped, forged, row_added, row_altered, row_gone


def _head_moved(evidence: Evidence) -> None:
    shard, (position, hash_) = next(item for item in evidence.heads.items() if item[1][0])
    evidence.heads[shard] = (position + 1, hash_)


def _row_of_nothing(evidence: Evidence) -> Row:
    row = evidence.log[-1]
    return row._replace(position=row.position + 1)


def _swapped(evidence: Evidence) -> None:
    """Swap two events of one shard in their partition."""
    last: dict[tuple[str, int, str], int] = {}
    for place, one in enumerate(evidence.published):
        where = (one.topic, one.partition, one.id.partition("-")[0])
        if where in last:
            other = evidence.published[last[where]]
            evidence.published[place] = one._replace(offset=other.offset)
            evidence.published[last[where]] = other._replace(offset=one.offset)
            return
        last[where] = place


def _payer_of_an_instant(evidence: Evidence) -> None:
    place, asked = next((place, asked) for place, asked in enumerate(evidence.paid_at) if asked.payers)
    project = min(asked.payers)
    evidence.paid_at[place] = asked._replace(payers=asked.payers | {project: SOMEBODY_ELSE})


def _payer_of_an_event(evidence: Evidence) -> None:
    asked = {one.instant for one in evidence.paid_at}

    def was_asked_for(event: Json) -> bool:
        return event["data"]["current"] is not None and datetime.fromisoformat(event["time"]) in asked

    forged(BINDING, set_to("data/current/account", SOMEBODY_ELSE), was_asked_for)(evidence)


LIES: dict[str, dict[str, Lying]] = {
    "acknowledged records are in their topics": {
        "an acknowledged record is lost": row_gone("heard"),
        "an acknowledged record is another": row_altered("heard", lambda one: one._replace(key=b"other")),
    },
    "log has no hole": {
        "a row of the log is gone": row_gone("log"),
        "a head is ahead of its log": _head_moved,
    },
    "hash chain holds": {
        "a row of the log is altered": row_altered("log", lambda row: row._replace(key=b"a/b")),
        "a hash is altered": row_altered("log", lambda row: row._replace(hash=b"x" * 32)),
    },
    "log and topics are the same": {
        "an event is lost": dropped(NOTICE),
        "an event was never decided": doubled(BINDING, event_id=OTHER_ID),
        "a row was never published": row_added("log", _row_of_nothing),
    },
    "events are published once": {
        "an event is published twice": doubled(BINDING),
    },
    "events are published in order": {
        "two events change places": _swapped,
        "an event is in another partition": row_altered(
            "published", lambda one: one._replace(partition=one.partition + 1), lambda one: one.topic == "accounts"
        ),
    },
    "headers name the event": {
        "the headers name another event": row_altered("published", lambda one: one._replace(id=OTHER_ID)),
        "the key is another": row_altered(
            "published", lambda one: one._replace(key=b"a/b"), lambda one: one.topic == "bindings"
        ),
    },
    "nothing is left unfinished": {
        "something waits for ever": row_added("unfinished", lambda _: "a binding"),
    },
    "money is the same in events and database": {
        "the database names another payer": _payer_of_an_instant,
        "events name another payer": _payer_of_an_event,
    },
}
"""By the rule that must see through them, and by what they say."""
