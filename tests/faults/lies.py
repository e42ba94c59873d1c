"""Lies of each kind, told about true evidence: each says which rule of the judge must see through it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.faults.judge.evidence import Evidence, Heard, Json, Published, Row
from tests.faults.lying import (
    Lie,
    Where,
    anything,
    chosen,
    doubled,
    dropped,
    forged,
    row_added,
    row_altered,
    row_gone,
)

RESULT, BINDING, PHASE, STATE = "CommandCompleted", "BindingChanged", "AccountPhaseChanged", "AccountChanged"
NOTICE, LETTER = "ProjectBillingNotice", "DeadLetter"
_OTHER = "somebody-else"


def _set(path: str, value: Any) -> Callable[[Json], None]:
    """Give what sets a member of an event: `a/b/c`; a function is given the value that was."""

    def change(event: Json) -> None:
        *outer, last = path.split("/")
        for name in outer:
            event = event[name]
        event[last] = value(event[last]) if callable(value) else value

    return change


def _earlier(text: str) -> str:
    return (datetime.fromisoformat(text) - timedelta(hours=1)).isoformat()


def _is(kind: str, outcome: str, reason: str | None = None) -> Where:
    """Choose final results of a kind of command."""

    def where(event: Json) -> bool:
        data = event["data"]
        reasons = [violation["reason"] for violation in data["violations"]]
        is_kind = data["commandType"].endswith(f".{kind}.v1") and data["outcome"] == outcome and not data["dryRun"]
        return is_kind and (reason is None or reasons == [reason])

    return where


def _change(kind: str) -> Where:
    return lambda event: event["data"]["change"] == kind


def _refused(*reasons: str) -> Callable[[Json], None]:
    violations = [{"reason": reason, "message": "a lie", "retryable": False} for reason in reasons]
    return lambda event: event["data"].update(outcome="Rejected", violations=violations, events=[], eventCount=0)


def _applied(event: Json) -> None:
    event["data"].update(outcome="Applied", violations=[])


def _swapped(evidence: Evidence) -> None:
    """Let two events of one shard change places in their partition."""
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
    evidence.paid_at[place] = asked._replace(payers=asked.payers | {project: "somebody-else"})


def _payer_of_an_event(evidence: Evidence) -> None:
    asked = {one.instant for one in evidence.paid_at}

    def was_asked_for(event: Json) -> bool:
        return event["data"]["current"] is not None and datetime.fromisoformat(event["time"]) in asked

    forged(BINDING, _set("data/current/account", _OTHER), was_asked_for)(evidence)


def _head_moved(evidence: Evidence) -> None:
    shard, (position, hash_) = next(item for item in evidence.heads.items() if item[1][0])
    evidence.heads[shard] = (position + 1, hash_)


def _poison(evidence: Evidence) -> Heard:
    last = max(one.offset for one in evidence.heard)
    return Heard("projects", 0, last + 1, b"org-1", b"neither read nor answered", ())


def _of_nobody(evidence: Evidence) -> Published:
    one = chosen(evidence, "CommandCompleted", anything)
    return one._replace(id="1-999999", key=b"nobody-at-all", offset=10**9)


def _again(evidence: Evidence) -> None:
    """Have a command sent once more with another meaning, unanswered."""
    heard = next(
        one for one in evidence.heard if b"BindProject" in (one.value or b"") and b'"p1"' in (one.value or b"")
    )
    last = max(one.offset for one in evidence.heard)
    evidence.heard.append(heard._replace(offset=last + 1, value=(heard.value or b"").replace(b'"p1"', b'"p2"')))


def _row_of_nothing(evidence: Evidence) -> Row:
    row = evidence.log[-1]
    return row._replace(position=row.position + 1)


_final_bind = _is("BindProject", "Applied")

LIES = {
    "an acknowledged record is lost": Lie("acknowledged records are in their topics", row_gone("heard")),
    "an acknowledged record is another": Lie(
        "acknowledged records are in their topics", row_altered("heard", lambda one: one._replace(key=b"other"))
    ),
    "a row of the log is gone": Lie("log has no hole", row_gone("log")),
    "a head is ahead of its log": Lie("log has no hole", _head_moved),
    "a row of the log is altered": Lie("hash chain holds", row_altered("log", lambda row: row._replace(key=b"a/b"))),
    "a hash is altered": Lie("hash chain holds", row_altered("log", lambda row: row._replace(hash=b"x" * 32))),
    "an event is lost": Lie("log and topics are the same", dropped(NOTICE)),
    "an event was never decided": Lie("log and topics are the same", doubled(BINDING, event_id="1-999999")),
    "a row was never published": Lie("log and topics are the same", row_added("log", _row_of_nothing)),
    "an event is published twice": Lie("events are published once", doubled(BINDING)),
    "two events change places": Lie("events are published in order", _swapped),
    "an event is in another partition": Lie(
        "events are published in order",
        row_altered(
            "published", lambda one: one._replace(partition=one.partition + 1), lambda one: one.topic == "accounts"
        ),
    ),
    "the headers name another event": Lie(
        "headers name the event", row_altered("published", lambda one: one._replace(id="1-999999"))
    ),
    "the key is another": Lie(
        "headers name the event",
        row_altered("published", lambda one: one._replace(key=b"a/b"), lambda one: one.topic == "bindings"),
    ),
    "something waits for ever": Lie("nothing is left unfinished", row_added("unfinished", lambda _: "a binding")),
    "the database names another payer": Lie("money is the same in events and database", _payer_of_an_instant),
    "events name another payer": Lie("money is the same in events and database", _payer_of_an_event),
    "a dead letter is lost": Lie("dead letters are of exactly the poison", dropped(LETTER)),
    "a dead letter is doubled": Lie("dead letters are of exactly the poison", doubled(LETTER, event_id="1-999999")),
    "a dead letter gives another reason": Lie(
        "dead letters are of exactly the poison", forged(LETTER, _set("data/reason", "TooLarge"))
    ),
    "a dead letter is not kept": Lie("dead letters are of exactly the poison", row_gone("dead_letters")),
    "poison disappears": Lie("dead letters are of exactly the poison", row_added("heard", _poison)),
    "a conflict of versions goes unnoticed": Lie(
        "dead letters are of exactly the poison",
        dropped(LETTER, lambda event: event["data"]["reason"] == "VersionConflict"),
    ),
    "something is said about nobody": Lie("nothing is published about nobody", row_added("published", _of_nobody)),
    "an event has no key": Lie(
        "nothing is published about nobody",
        row_altered("published", lambda one: one._replace(key=None), lambda one: one.topic == "notices"),
    ),
    "a result is lost": Lie("commands are answered once", dropped(RESULT, _final_bind)),
    "a result of a dry run is lost": Lie(
        "commands are answered once", dropped(RESULT, lambda one: one["data"]["dryRun"])
    ),
    "a command is answered twice": Lie("commands are answered once", doubled(RESULT, _final_bind, event_id="1-999999")),
    "what nobody sent is answered": Lie(
        "commands are answered once", forged(RESULT, _set("data/commandId", "nobody's"))
    ),
    "an id used again is not refused": Lie(
        "commands are answered once", dropped(RESULT, _is("BindProject", "Rejected", "CommandIdReused"))
    ),
    "an id is used again, unanswered": Lie("commands are answered once", _again),
    "a command waits, and is answered no more": Lie(
        "commands are answered once", forged(RESULT, _set("data/outcome", "Waiting"), _is("BindProject", "Unchanged"))
    ),
    "a suspension waits": Lie(
        "interim results come first and only to bindings",
        forged(RESULT, _set("data/outcome", "Waiting"), _is("SuspendAccount", "Unchanged")),
    ),
    "a command waits after its end": Lie(
        "interim results come first and only to bindings",
        doubled(RESULT, lambda event: event["data"]["outcome"] == "Waiting", event_id="47-999999"),
    ),
    "an id is not claimed": Lie("claimed ids are the answered ones", row_gone("inbox")),
    "an id is claimed elsewhere": Lie(
        "claimed ids are the answered ones", row_altered("inbox", lambda row: row._replace(position=row.position - 1))
    ),
    "a result counts too many events": Lie(
        "results name the events published", forged(RESULT, _set("data/eventCount", 2), _final_bind)
    ),
    "a result names another event": Lie(
        "results name the events published",
        forged(RESULT, lambda event: event["data"]["events"][0].update(subject="org-1/p99"), _final_bind),
    ),
    "a refusal has events": Lie(
        "results name the events published",
        forged(RESULT, _refused("PreconditionFailed"), _is("SuspendAccount", "Applied")),
    ),
    "a sequence has a hole": Lie(
        "binding sequences have no hole", forged(BINDING, _set("sequence", lambda text: f"{int(text) + 1:020}"))
    ),
    "a change of payer is lost": Lie("binding sequences have no hole", dropped(BINDING)),
    "the database counts another sequence": Lie(
        "binding sequences have no hole", row_altered("projects", lambda row: row._replace(sequence=row.sequence + 1))
    ),
    "an instant lies before the last": Lie(
        "binding instants rise", forged(BINDING, _set("time", _earlier), _change("Superseded"))
    ),
    "a binding begins at another instant": Lie(
        "binding instants rise", forged(BINDING, _set("data/current/establishedAt", _earlier), _change("Bound"))
    ),
    "the payer before was another": Lie(
        "payers follow each other without gap",
        forged(BINDING, _set("data/previous/account", _OTHER), _change("Superseded")),
    ),
    "there is a gap between payers": Lie(
        "payers follow each other without gap",
        forged(BINDING, _set("data/previous/endedAt", _earlier), _change("Superseded")),
    ),
    "a change is called otherwise": Lie(
        "payers follow each other without gap", forged(BINDING, _set("data/change", "Bound"), _change("Superseded"))
    ),
    "a project is released for nothing": Lie(
        "only deletion releases", forged(BINDING, _set("causationid", "fact-0"), _change("Released"))
    ),
    "a row names another payer": Lie(
        "intervals are the rows", row_altered("bindings", lambda row: row._replace(account=_OTHER))
    ),
    "a row ends later": Lie(
        "intervals are the rows",
        row_altered(
            "bindings", lambda row: row._replace(ended=row.ended + timedelta(seconds=1)), lambda row: row.ended
        ),
    ),
    "a row is gone": Lie("intervals are the rows", row_gone("bindings")),
    "a binding is applied without a change": Lie(
        "applied bindings have their change", forged(RESULT, _applied, _is("BindProject", "Unchanged"))
    ),
    "a change binds another account": Lie(
        "applied bindings have their change",
        forged(BINDING, _set("data/current/account", _OTHER), lambda event: "commandId" in event["data"]["cause"]),
    ),
    "a transfer moves fewer": Lie(
        "applied bindings have their change",
        forged(RESULT, _set("data/projectCount", lambda count: count + 1), _is("TransferProjects", "Applied")),
    ),
    "a project without a payer is not told": Lie(
        "new projects get a payer or are told",
        dropped(
            NOTICE,
            lambda event: event["data"]["kind"] == "PayerMissing" and event["data"]["project"].startswith("fresh"),
        ),
    ),
    "a project without a payer is told twice": Lie(
        "new projects get a payer or are told",
        doubled(NOTICE, lambda event: event["data"]["kind"] == "PayerMissing", event_id="1-999999"),
    ),
    "an account's event is lost": Lie("account sequences have no hole", dropped(STATE)),
    "an account's sequence is another": Lie(
        "account sequences have no hole", forged(PHASE, _set("sequence", lambda text: f"{int(text) + 1:020}"))
    ),
    "the database counts another sequence of an account": Lie(
        "account sequences have no hole", row_altered("accounts", lambda row: row._replace(sequence=row.sequence + 1))
    ),
    "a phase leaves one that was not": Lie("phases touch", forged(PHASE, _set("data/previousPhase", "Archived"))),
    "a phase is missing in the history": Lie("phases touch", row_gone("phases")),
    "the state says another phase": Lie("phases touch", forged(STATE, _set("data/phase", "Archived"))),
    "a version goes back": Lie("accounts tell their state last", forged(STATE, _set("data/version", 0))),
    "the database knows another version": Lie(
        "accounts tell their state last", row_altered("accounts", lambda row: row._replace(version=row.version + 1))
    ),
    "a phase is suspended without a hold": Lie(
        "phases follow from what is known",
        forged(STATE, _set("data/holds", []), lambda event: event["data"]["phase"] == "Suspended"),
    ),
    "an account is ready without a profile": Lie(
        "phases follow from what is known",
        forged(STATE, _set("data/paymentProfile", None), lambda event: event["data"]["phase"] == "Ready"),
    ),
    "an account was activated at another instant": Lie(
        "phases follow from what is known",
        forged(STATE, _set("data/activatedAt", _earlier), lambda event: event["data"]["activatedAt"]),
    ),
    "a currency changes": Lie(
        "phases follow from what is known",
        forged(STATE, _set("data/currencyCode", "JPY"), lambda event: event["data"]["activatedAt"]),
    ),
    "a project is not told of a suspension": Lie(
        "bound projects are told of phases", dropped(NOTICE, lambda event: event["data"]["kind"] == "AccountSuspended")
    ),
    "a project is told twice": Lie(
        "bound projects are told of phases",
        doubled(NOTICE, lambda event: event["data"]["kind"] == "AccountReady", event_id="1-999999"),
    ),
    "a notice is of another kind": Lie(
        "bound projects are told of phases",
        forged(NOTICE, _set("data/kind", "AccountReady"), lambda event: event["data"]["kind"] == "AccountSuspended"),
    ),
    "nobody sent the cause": Lie("causes were really sent", forged(STATE, _set("causationid", "nobody's"))),
    "somebody else did it": Lie("causes were really sent", forged(BINDING, _set("data/cause/by", _OTHER))),
    "a project is known in another state": Lie(
        "facts are known as reported", row_altered("projects", lambda row: row._replace(state="Inactive" * 2))
    ),
    "a project's version is lost": Lie("facts are known as reported", row_gone("projects")),
    "a profile is known in an older version": Lie(
        "facts are known as reported", row_altered("profiles", lambda row: row._replace(version=row.version - 1))
    ),
    "a binding is refused for nothing": Lie(
        "outcomes follow from what was known", forged(RESULT, _refused("AccountNotReady"), _final_bind)
    ),
    "a binding is applied to an account that is not ready": Lie(
        "outcomes follow from what was known",
        forged(RESULT, _applied, _is("BindProject", "Rejected", "AccountNotReady")),
    ),
    "a binding fails an expectation that holds": Lie(
        "outcomes follow from what was known", forged(RESULT, _refused("PreconditionFailed"), _final_bind)
    ),
    "a new payer is said to have paid": Lie(
        "outcomes follow from what was known", forged(RESULT, _set("data/outcome", "Unchanged"), _final_bind)
    ),
    "a transfer is refused for nothing": Lie(
        "outcomes follow from what was known",
        forged(RESULT, _refused("AccountClosing"), _is("TransferProjects", "Applied")),
    ),
    "an account is created twice": Lie(
        "outcomes follow from what was known",
        forged(RESULT, _applied, _is("CreateAccount", "Rejected", "AccountExists")),
    ),
    "a hold is placed twice": Lie(
        "outcomes follow from what was known",
        forged(RESULT, _set("data/outcome", "Applied"), _is("SuspendAccount", "Unchanged")),
    ),
    "somebody approves their own request": Lie(
        "outcomes follow from what was known",
        forged(RESULT, _applied, _is("ApproveReactivation", "Rejected", "SelfApproval")),
    ),
    "an account is closed while it pays": Lie(
        "outcomes follow from what was known",
        forged(
            RESULT,
            _applied,
            lambda event: (
                event["data"]["commandType"].endswith(".RequestClosure.v1")
                and "ActiveBindingsExist" in str(event["data"]["violations"])
            ),
        ),
    ),
    "an archived account is said to be missing": Lie(
        "outcomes follow from what was known",
        forged(RESULT, _refused("AccountNotFound"), _is("BindProject", "Rejected", "AccountArchived")),
    ),
}
"""By what the lie says."""
