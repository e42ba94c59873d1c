"""Records made by hand: a log in which everything is in order, for tests that then break one thing."""

import hashlib
import json
from copy import deepcopy
from typing import Any

from tests.acceptance.case_log import CaseLog
from tests.acceptance.records import OutputRecord, Sent
from tests.acceptance.vocabulary import COMMAND_TOPIC, full_type

PREFIX = "billing."
ORGANIZATION = "acme-kqhzvw"
TIMES = [f"2026-01-01T00:00:{second:02}.000000Z" for second in range(60)]

HOLD: dict[str, Any] = {
    "reason": "PaymentFailure",
    "message": "card declined",
    "by": "collections",
    "placedAt": TIMES[0],
    "reactivation": None,
}
CONDITIONS: list[dict[str, Any]] = [
    {"type": type_, "status": "True", "reason": "RequirementsMet", "message": None, "lastTransitionTime": TIMES[0]}
    for type_ in ("ConfigurationValid", "PaymentProfileValid", "NoHolds", "Ready")
]
_ATTRIBUTES = ("answer", "specversion")


class HandMadeLog(CaseLog):
    """A log with ids, offsets and sequences of its own making; every record can be given other words."""

    def __init__(self) -> None:
        super().__init__(PREFIX)
        self._sequences: dict[str, int] = {}

    def command(self, name: str, id_: str | None, data: dict[str, Any] | None = None, **members: Any) -> Sent:
        """Add a command that was sent; `members` are attributes, or what the record is else to be."""
        data = {"organization": ORGANIZATION, **(data or {})}
        attributes = {"specversion": "1.0", "id": id_, "source": "/cases", "type": full_type(name), "authid": "alice"}
        attributes |= {member: members.pop(member) for member in _ATTRIBUTES if member in members}
        attributes = {member: value for member, value in attributes.items() if value is not None}
        sent = Sent(
            label=f"command {id_}",
            kind="send",
            topic=COMMAND_TOPIC,
            key=ORGANIZATION.encode(),
            value=json.dumps(attributes | {"data": data}).encode(),
            headers=(("content-type", b"application/cloudevents+json"),),
            type=full_type(name),
            organization=ORGANIZATION,
            id=id_,
            source="/cases",
            data=data,
            attributes=dict(attributes),
            expect={},
            partition=0,
            offset=len(self.sent),
        )
        for member, value in members.items():
            setattr(sent, member, value)
        self.add_sent(sent)
        return sent

    def output(
        self, topic: str, name: str, subject: str, data: dict[str, Any], cause: str | None, /, **attributes: Any
    ) -> OutputRecord:
        """Add a record that came; an attribute given as `None` is left out."""
        position = len(self.outputs) + 1
        envelope: dict[str, Any] = {
            "specversion": "1.0",
            "id": f"3-{position}",
            "source": "/whopays/test",
            "type": full_type(name),
            "time": TIMES[position],
            "subject": subject,
            "partitionkey": subject,
            "causationid": cause,
        }
        if topic in ("bindings", "accounts"):
            self._sequences[topic + subject] = self._sequences.get(topic + subject, 0) + 1
            envelope["sequence"] = f"{self._sequences[topic + subject]:020}"
        envelope = {key: value for key, value in (envelope | attributes).items() if value is not None}
        trace = [(name, text.encode()) for name, text in envelope.items() if name == "traceparent"]
        headers = (("content-type", b"application/cloudevents+json"), *trace)
        value = json.dumps(envelope | {"data": {"organization": ORGANIZATION, **data}}).encode()
        key = envelope.get("partitionkey")
        record = OutputRecord(topic, 0, position, None if key is None else key.encode(), value, headers)
        self.add_output(record)
        return record

    def result(self, sent: Sent, outcome: str = "Applied", **data: Any) -> OutputRecord:
        """Add the result of a command; `events` and `violations` are counted unless the counts are given."""
        full: dict[str, Any] = {
            "commandId": sent.id,
            "commandSource": "/cases",
            "commandType": sent.type,
            "fingerprint": hashlib.sha256(f"{sent.type}{sent.data | {'dryRun': False}}".encode()).hexdigest()[:16],
            "dryRun": sent.is_dry_run,
            "outcome": outcome,
            "violations": [],
            "events": [],
        }
        named = {"account": sent.data.get("toAccount", sent.data.get("account")), "project": sent.data.get("project")}
        full |= {member: name for member, name in named.items() if name is not None}
        full |= data
        full.setdefault("eventCount", len(full["events"]))
        full.setdefault("violationCount", len(full["violations"]))
        return self.output("command-results", "CommandCompleted", ORGANIZATION, full, sent.id)

    def phase(self, previous: str | None, phase: str, reason: str, cause: str, /, **data: Any) -> OutputRecord:
        """Add an `AccountPhaseChanged` of account a."""
        full = {
            "account": "a",
            "previousPhase": previous,
            "phase": phase,
            "reason": reason,
            "message": None,
            "holds": [],
            "cause": {"commandId": cause, "by": "alice"},
        } | data
        return self.output("accounts", "AccountPhaseChanged", f"{ORGANIZATION}/a", full, cause)

    def changed(self, phase: str, version: int, cause: str, /, **data: Any) -> OutputRecord:
        """Add an `AccountChanged` of account a."""
        full = {
            "account": "a",
            "phase": phase,
            "holds": [],
            "version": version,
            "closure": None,
            "conditions": deepcopy(CONDITIONS),
            "cause": {"commandId": cause, "by": "alice"},
        } | data
        return self.output("accounts", "AccountChanged", f"{ORGANIZATION}/a", full, cause)

    def bound(self, number: int, previous: int | None, cause: str, /, **data: Any) -> OutputRecord:
        """Add a `BindingChanged` of project p1 to its binding of that number, from the one before."""
        at = TIMES[10 + number]
        current = {"bindingId": f"b{number}", "account": "a", "establishedAt": at}
        before = None
        if previous is not None:
            before = {"bindingId": f"b{previous}", "account": "a", "establishedAt": TIMES[10 + previous], "endedAt": at}
        full = {
            "project": "p1",
            "change": "Bound" if before is None else "Superseded",
            "current": current,
            "previous": before,
            "cause": {"commandId": cause, "by": "alice"},
        } | data
        instant = (full["current"] or {}).get("establishedAt", at)
        return self.output("bindings", "BindingChanged", f"{ORGANIZATION}/p1", full, cause, time=instant)

    def notice(self, kind: str, cause: str, /, **data: Any) -> OutputRecord:
        """Add a `ProjectBillingNotice` of project p1 about account a."""
        full = {"project": "p1", "account": "a", "kind": kind, "reason": "any", "message": None} | data
        return self.output("notices", "ProjectBillingNotice", f"{ORGANIZATION}/p1", full, cause)

    def dead_letter(self, sent: Sent, reason: str, **data: Any) -> OutputRecord:
        """Add the dead letter of a record."""
        key = None if sent.key is None or reason == "CardNumber" else sent.key.decode()
        full = {"topic": f"{PREFIX}{sent.topic}", "partition": sent.partition, "offset": sent.offset} | data
        full = {"reason": reason, "key": None, "headers": None, "value": None, "sha256": None} | full
        subject = f"{full['topic']}/{full['partition']}/{full['offset']}"
        return self.output("dead-letters", "DeadLetter", subject, full, sent.id, partitionkey=key)


def announced(*names: str) -> list[dict[str, str]]:
    """Return the `events` of a result about account a and project p1."""
    of_account = ("AccountPhaseChanged", "AccountChanged")
    return [
        {"type": full_type(name), "subject": f"{ORGANIZATION}/{'a' if name in of_account else 'p1'}"} for name in names
    ]


def a_life_in_order() -> HandMadeLog:
    """Return a log that breaks no invariant: created, bound, rebound, suspended, refused, tried, and a dead letter."""
    log = HandMadeLog()
    create = log.command("CreateAccount", "create", {"account": "a"})
    log.phase(None, "Provisioning", "Created", "create")
    log.phase("Provisioning", "Ready", "RequirementsMet", "create")
    log.changed("Ready", 1, "create")
    log.result(create, events=announced("AccountPhaseChanged", "AccountPhaseChanged", "AccountChanged"))
    bind = log.command("BindProject", "bind", {"project": "p1", "account": "a"})
    log.bound(1, None, "bind")
    log.result(bind, events=announced("BindingChanged"))
    move = log.command("BindProject", "move", {"project": "p1", "account": "a"})
    log.bound(2, 1, "move")
    log.result(move, events=announced("BindingChanged"))
    stop = log.command("SuspendAccount", "stop", {"account": "a"})
    log.phase("Ready", "Suspended", "PaymentFailure", "stop", holds=[HOLD])
    log.changed("Suspended", 2, "stop", holds=[HOLD])
    log.notice("AccountSuspended", "stop")
    log.result(stop, events=announced("AccountPhaseChanged", "AccountChanged", "ProjectBillingNotice"))
    refuse = log.command("BindProject", "refuse", {"project": "ghost", "account": "a"})
    log.result(refuse, "Rejected", violations=[violation("ProjectNotFound"), violation("AccountNotReady")])
    attempt = log.command("BindProject", "attempt", {"project": "p1", "account": "a", "dryRun": True})
    log.result(attempt, events=announced("BindingChanged"))
    again = log.command("BindProject", "bind", {"project": "p1", "account": "a"}, answer="again")
    log.result(again, events=announced("BindingChanged"), repeated=True)
    unreadable = log.command("BindProject", None, {}, expect={"dead_letter": "MissingAttribute"})
    log.dead_letter(unreadable, "MissingAttribute")
    old = log.command("BindProject", "old", {}, specversion="0.3", expect={"dead_letter": "UnsupportedVersion"})
    log.dead_letter(old, "UnsupportedVersion")
    return log


def violation(reason: str, **members: Any) -> dict[str, Any]:
    """Return a violation as the contract has it."""
    retryable = reason not in ("Invalid", "Superseded", "SelfApproval", "CurrencyImmutable", "Expired", "CardNumber")
    return {"reason": reason, "message": "so it is", "retryable": retryable} | members
