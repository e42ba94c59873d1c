"""Lies about what was answered: dead letters, results, ids."""

from typing import Any

from tests.faults.judge.evidence import Evidence, Heard, Json, Published
from tests.faults.lies.altering import LETTER, OTHER_ID, RESULT, answers, has, refused, says, set_to
from tests.faults.lying import Lying, anything, chosen, doubled, dropped, forged, row_added, row_altered, row_gone


def _poison(evidence: Evidence) -> Heard:
    last = max(one.offset for one in evidence.heard)
    return Heard("projects", 0, last + 1, b"org-1", b"neither read nor answered", ())


def _of_nobody(evidence: Evidence) -> Published:
    one = chosen(evidence, RESULT, anything)
    return one._replace(id=OTHER_ID, key=b"nobody-at-all", offset=10**9)


def _again(evidence: Evidence) -> Heard:
    """Send a command once more with another meaning, unanswered."""
    heard = next(
        one for one in evidence.heard if b"BindProject" in (one.value or b"") and b'"p1"' in (one.value or b"")
    )
    last = max(one.offset for one in evidence.heard)
    return heard._replace(offset=last + 1, value=(heard.value or b"").replace(b'"p1"', b'"p2"'))


def _is_repeated(event: Json) -> Any:
    return event["data"].get("repeated")


def _waits(event: Json) -> bool:
    return event["data"].get("outcome") == "Waiting" and not event["data"]["dryRun"]


def _repeat(event: Json) -> None:
    event["data"]["repeated"] = True


_bound = answers("BindProject", "Applied")

LIES: dict[str, dict[str, Lying]] = {
    "dead letters are of exactly the poison": {
        "a dead letter is lost": dropped(LETTER),
        "a dead letter is doubled": doubled(LETTER, event_id=OTHER_ID),
        "a dead letter gives another reason": forged(LETTER, set_to("data/reason", "TooLarge")),
        "a dead letter is not kept": row_gone("dead_letters"),
        "poison disappears": row_added("heard", _poison),
        "a conflict of versions goes unnoticed": dropped(LETTER, says("reason", "VersionConflict")),
    },
    "nothing is published about nobody": {
        "something is said about nobody": row_added("published", _of_nobody),
        "an event has no key": row_altered(
            "published", lambda one: one._replace(key=None), lambda one: one.topic == "notices"
        ),
    },
    "commands are answered in their order": {
        "a command stands behind others that were answered later": row_altered(
            "heard", lambda one: one._replace(offset=10**9), lambda one: b"CreateAccount" in (one.value or b"")
        ),
    },
    "commands are answered once": {
        "a result is lost": dropped(RESULT, _bound),
        "a result of a dry run is lost": dropped(RESULT, has("dryRun")),
        "a command is answered twice": doubled(RESULT, _bound, event_id=OTHER_ID),
        "an answer that was asked for again is lost": dropped(RESULT, _is_repeated),
        "an answer is given again twice": doubled(RESULT, _is_repeated, event_id=OTHER_ID),
        "who is not let in is not told": dropped(RESULT, answers("BindProject", "Rejected", "Unauthenticated")),
        "what nobody sent is answered": forged(RESULT, set_to("data/commandId", "nobody's")),
        "an id used again is not refused": dropped(RESULT, answers("BindProject", "Rejected", "CommandIdReused")),
        "an id is used again, unanswered": row_added("heard", _again),
        "a command waits, and is answered no more": forged(
            RESULT, set_to("data/outcome", "Waiting"), answers("BindProject", "Unchanged")
        ),
    },
    "interim results come first and only to bindings": {
        "a suspension waits": forged(RESULT, set_to("data/outcome", "Waiting"), answers("SuspendAccount", "Unchanged")),
        "a command waits after its end": doubled(RESULT, _waits, event_id="47-999999"),
    },
    "repeated results are the latest": {
        "a result is told again otherwise": forged(RESULT, set_to("data/outcome", "Scheduled"), _is_repeated),
        "what was never told is told again": forged(RESULT, _repeat, _bound),
    },
    "fingerprints tell meanings apart": {
        "a fingerprint is no fingerprint": forged(RESULT, set_to("data/fingerprint", "0123"), _bound),
        "a fingerprint is missing": forged(RESULT, lambda event: event["data"].pop("fingerprint"), _bound),
        "a card number leaves a trace": forged(
            RESULT,
            lambda event: event["data"].update(fingerprint=16 * "0"),
            answers("UpdateAccount", "Rejected", "CardNumber"),
        ),
    },
    "claimed ids are the answered ones": {
        "an id is not claimed": row_gone("inbox"),
        "an id is claimed elsewhere": row_altered("inbox", lambda row: row._replace(position=row.position - 1)),
    },
    "results name the events published": {
        "a result counts too many events": forged(RESULT, set_to("data/eventCount", 2), _bound),
        "a result names another event": forged(
            RESULT, lambda event: event["data"]["events"][0].update(subject="org-1/p99"), _bound
        ),
        "a refusal has events": forged(RESULT, refused("PreconditionFailed"), answers("SuspendAccount", "Applied")),
    },
}
"""By the rule that must see through them, and by what they say."""
