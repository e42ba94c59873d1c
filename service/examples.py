"""Examples of answers, from the same story as the examples of messages: who pays for `genome`, a project of `acme`."""

from typing import Any

from schemas.exporting.telling import examples_of

_BOUND, _LATER = "2027-01-31T12:00:00.000000Z", "2027-02-03T09:30:00.250000Z"
INTERVAL: dict[str, Any] = {
    "organization": "acme",
    "project": "genome",
    "account": "main",
    "bindingId": "acme/genome/2",
    "currencyCode": "EUR",
    "establishedAt": _BOUND,
    "endedAt": None,
}
PART = INTERVAL | {"from": "2027-02-01T00:00:00.000000Z", "until": "2027-03-01T00:00:00.000000Z"}
ORGANIZATION = {"organization": "acme", "defaultAccount": "main", "accounts": 2, "projects": 14, "unbound": 1}
PROJECT: dict[str, Any] = {
    "organization": "acme",
    "project": "genome",
    "state": "Active",
    "version": 3,
    "displayName": "Genome",
    "payer": INTERVAL,
}
_SCHEDULED = {
    "account": "lab",
    "effectiveAt": "2027-04-01T00:00:00.000000Z",
    "commandId": "c-17",
    "commandSource": "/portal",
}
PROJECT_DETAIL = PROJECT | {"scheduled": _SCHEDULED, "waiting": []}
PAYER = {"organization": "acme", "project": "genome", "at": _LATER, "payer": INTERVAL, "settled": True}
LOOKUP_QUESTION = {"organization": "acme", "project": "genome", "at": _LATER}
LOOKUP = {"questions": [LOOKUP_QUESTION]}
LOOKED_UP = PAYER | {"known": True}
LOOKUP_ANSWER = {"closedUntil": _LATER, "answers": [LOOKED_UP]}
ACCOUNT = {name: value for name, value in examples_of("AccountChanged")[0].items() if name != "cause"}
ACCOUNT_DETAIL = ACCOUNT | {
    "boundProjects": 1,
    "missing": [],
    "closureBlockers": [
        {
            "reason": "ActiveBindingsExist",
            "message": "the account pays for 1 projects: bind them to another account",
            "field": "/account",
            "blockers": {"count": 1, "projects": ["genome"]},
            "retryable": True,
        }
    ],
    "profile": {
        "paymentProfile": "card-1",
        "kind": "CreditCard",
        "state": "Valid",
        "version": 1,
        "expiresAt": "2029-12-31T23:59:59.000000Z",
    },
}
_PHASE = examples_of("AccountPhaseChanged")[0]
PHASE = {name: value for name, value in _PHASE.items() if name != "holds"} | {"at": _BOUND, "eventId": "17-4711"}
RESULT = examples_of("CommandCompleted")[0] | {"eventId": "17-4712", "time": _BOUND}
AUDITED: dict[str, Any] = {
    "person": "ada",
    "issuer": "https://login.example",
    "roles": ["project-owner", "account-user"],
    **{name: RESULT[name] for name in ("commandType", "commandId", "commandSource", "dryRun", "outcome")},
    **{name: RESULT[name] for name in ("account", "project") if name in RESULT},
    "reasons": [one["reason"] for one in RESULT["violations"]],
    "eventId": RESULT["eventId"],
    "time": RESULT["time"],
}
_DEAD = examples_of("DeadLetter")[0]
DEAD_LETTER = {name: value for name, value in _DEAD.items() if name != "value"} | {
    "id": "17-4713",
    "time": _BOUND,
    "organization": "acme",
    "redriven": None,
    "discarded": None,
}
EVENT = {
    "specversion": "1.0",
    "id": "17-4711",
    "source": "/whopays/example",
    "type": "io.milo.billing.BindingChanged.v1",
    "time": _BOUND,
    "subject": "acme/genome",
    "datacontenttype": "application/json",
    "partitionkey": "acme/genome",
    "sequence": "00000000000000000002",
    "authid": "ada",
    "data": examples_of("BindingChanged")[0],
}
REPLAY = {"name": "usage-2027", "state": "Running", "records": 1200}


def page_of(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a last page with one item."""
    return {"items": [item], "next": None, **more}
