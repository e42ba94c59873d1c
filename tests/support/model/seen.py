"""Published events, reduced to what the contract fixes: `about` names the sequence, the rest are the key members.

Only events about the same thing have an order: those of one subject, and the results of one command.
"""

import base64
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

Seen = dict[str, Any]


def seen(envelope: dict[str, Any]) -> Seen:
    """Reduce an outgoing CloudEvent."""
    data = envelope["data"]
    match envelope["type"].removeprefix("io.milo.billing.").removesuffix(".v1"):
        case "CommandCompleted":
            return _result(data) | {"authid": envelope.get("authid")}
        case "BindingChanged":
            return _about("binding", envelope) | _binding(data)
        case "AccountPhaseChanged":
            return _about("account", envelope) | {
                "type": "AccountPhaseChanged",
                "from": data["previousPhase"],
                "to": data["phase"],
                "reason": data["reason"],
                "holds": [hold["reason"] for hold in data["holds"]],
                "by": data["cause"]["by"],
                "because": data["cause"].get("reason"),
            }
        case "AccountChanged":
            return _about("account", envelope) | _account(data)
        case "ProjectBillingNotice":
            told = {name: data[name] for name in ("account", "kind", "reason")}
            return {"about": f"notices {envelope['subject']}", "cause": envelope["causationid"], **told}
        case "DeadLetter":
            organization = base64.b64decode(data["key"] or "").decode()
            return {"about": f"dead letters {organization}", "reason": data["reason"]}
        case other:
            raise LookupError(other)


def grouped(everything: Iterable[Seen]) -> dict[str, list[Seen]]:
    """Return what was seen, grouped by what it is about, each group in order."""
    groups: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in everything:
        groups[one["about"]].append(one)
    return dict(groups)


def _about(kind: str, envelope: dict[str, Any]) -> Seen:
    return {
        "about": f"{kind} {envelope['subject']}",
        "sequence": int(envelope["sequence"]),
        "cause": envelope["causationid"],
    }


def _result(data: dict[str, Any]) -> Seen:
    return {
        "about": f"result {data['organization']} {data['commandSource']} {data['commandId']}",
        "dryRun": data["dryRun"],
        "repeated": data.get("repeated", False),
        "has fingerprint": "fingerprint" in data,
        "outcome": data["outcome"],
        "violations": [broken["reason"] for broken in data["violations"]],
        "names": (data.get("account"), data.get("project"), data.get("projectCount")),
        "announces": sorted((one["type"].split(".")[-2], one["subject"]) for one in data["events"]),
        "counts": (data["eventCount"], data["violationCount"]),
    }


def _binding(data: dict[str, Any]) -> Seen:
    current, previous = data["current"], data["previous"]
    touches = None if not (current and previous) else current["establishedAt"] == previous["endedAt"]
    return {
        "type": "BindingChanged",
        "change": data["change"],
        "payer": current and current["account"],
        "before": previous and previous["account"],
        "touches": touches,
        "currency": current and current["currencyCode"],
        "netDays": current and current["paymentTerms"]["netDays"],
        "by": data["cause"]["by"],
        "because": data["cause"].get("reason"),
        "of": "fact" if "factId" in data["cause"] else "command",
    }


def _account(data: dict[str, Any]) -> Seen:
    terms, preferences, closure = data["paymentTerms"], data["preferences"], data["closure"]
    return {
        "type": "AccountChanged",
        "version": data["version"],
        "phase": data["phase"],
        "conditions": [(one["type"], one["status"], one["reason"]) for one in data["conditions"]],
        "holds": [(hold["reason"], hold["message"], hold["by"], _reactivation(hold)) for hold in data["holds"]],
        "displayName": data["displayName"],
        "currency": data["currencyCode"],
        "terms": terms and {name: value for name, value in terms.items() if value is not None},
        "preferences": None if preferences is None else {name: on for name, on in preferences.items() if on},
        "profile": data["paymentProfile"],
        "activated": data["activatedAt"] is not None,
        "closure": closure and (closure["by"], closure["reason"]),
        "by": data["cause"]["by"],
        "because": data["cause"].get("reason"),
    }


def _reactivation(hold: dict[str, Any]) -> tuple[str, str] | None:
    asked = hold["reactivation"]
    return asked and (asked["by"], asked["resolution"])
