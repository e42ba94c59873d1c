"""The model's accounts (docs/contract.md sections 4 and 5): plain dictionaries and plain ifs.

Each command returns its broken rules, or changes the account and returns None; `process` then reports the outcome.
"""

from datetime import datetime, timedelta
from typing import Any

from tests.support.model.people import person
from tests.support.model.shape import TERMS, are_terms_valid, without_nulls

Account = dict[str, Any]
State = dict[str, Any]


def new_account() -> Account:
    """Return an account about which nothing is known."""
    nothing = ("displayName", "currency", "terms", "preferences", "profile", "contact", "closure", "balance", "ended")
    counted = {"version": 0, "sequence": 0}
    return dict.fromkeys(nothing) | counted | {"phase": None, "conditions": [], "holds": [], "activated": False}


def conditions(state: State, account: Account, now: datetime) -> tuple[str, list[tuple[str, str, str]]]:
    """Compute the phase and the four conditions."""
    configuration = "RequirementsMet" if account["currency"] and account["terms"] else "ConfigurationMissing"
    payment = _payment(state, account, now)
    holds = account["holds"][0]["reason"] if account["holds"] else "RequirementsMet"
    if account["phase"] == "Archived":
        phase, reason = "Archived", "Closed"
    elif holds != "RequirementsMet":
        phase, reason = "Suspended", holds
    elif configuration != "RequirementsMet":
        phase, reason = "Provisioning", configuration
    elif payment != "RequirementsMet":
        phase, reason = "Incomplete", payment
    else:
        phase, reason = "Ready", "RequirementsMet"
    names = ("ConfigurationValid", "PaymentProfileValid", "NoHolds", "Ready")
    reasons = (configuration, payment, holds, reason)
    said = [(name, str(why == "RequirementsMet"), why) for name, why in zip(names, reasons, strict=True)]
    return phase, said


def _payment(state: State, account: Account, now: datetime) -> str:
    if account["profile"] is None:
        return "PaymentProfileMissing"
    profile = state["profiles"].get(account["profile"])
    if profile is None:
        return "PaymentProfileNotFound"
    if profile["state"] == "Removed":
        return "PaymentProfileRemoved"
    if profile["kind"] != "CreditCard":
        return "PaymentProfileNotAllowed"
    if profile["state"] == "Invalid":
        return "PaymentProfileInvalid"
    if profile["expires"] is not None and profile["expires"] <= now:
        return "PaymentProfileExpired"
    return "RequirementsMet"


def is_not_allowed(state: State, name: str | None) -> bool:
    """Return whether a payment profile is known and of a kind that is not accepted."""
    profile = state["profiles"].get(name)
    return profile is not None and profile["kind"] != "CreditCard"


def update(account: Account, data: dict[str, Any]) -> list[str]:
    """Apply an update; broken rules are those of the result."""
    before, changed = dict(account), account
    faults = []
    if "displayName" in data:
        changed["displayName"] = data["displayName"]
    if "currencyCode" in data:
        changed["currency"] = data["currencyCode"]
    if "paymentTerms" in data:
        given = data["paymentTerms"]
        changed["terms"] = None if given is None else TERMS | without_nulls((before["terms"] or {}) | given)
        if given is not None and not are_terms_valid(changed["terms"]):
            faults.append("Invalid")
    if "preferences" in data:
        given = data["preferences"]
        merged = {} if given is None else (before["preferences"] or {}) | given
        # Empty preferences are the same as none.
        changed["preferences"] = {name: said for name, said in merged.items() if said} or None
    if "contact" in data:
        changed["contact"] = data["contact"]
    if before["activated"] and changed["terms"] is None:
        faults.append("Invalid")
    if faults:
        return faults
    broken = []
    if data.get("expectedVersion") not in (None, before["version"]):
        broken.append("PreconditionFailed")
    if before["activated"] and changed["currency"] != before["currency"]:
        broken.append("CurrencyImmutable")
    return broken


def suspend(account: Account, data: dict[str, Any], who: str) -> list[str]:
    """Place a hold, or cancel the request to lift it."""
    for hold in account["holds"]:
        if hold["reason"] == data["reason"]:
            hold["asked"] = None
            return []
    account["holds"].append({"reason": data["reason"], "message": data.get("message"), "by": who, "asked": None})
    return []


def request_reactivation(account: Account, data: dict[str, Any], who: str) -> list[str]:
    """Record who says that causes are resolved."""
    active = [hold["reason"] for hold in account["holds"]]
    named = data.get("reasons") or active
    if not active or any(reason not in active for reason in named):
        return ["InvalidTransition"]
    for hold in account["holds"]:
        if hold["reason"] in named and hold["asked"] is None:
            hold["asked"] = (who, data["resolution"])
    return []


def approve_reactivation(account: Account, data: dict[str, Any], who: str) -> list[str]:
    """Lift what someone else said is resolved."""
    if not account["holds"]:
        return ["InvalidTransition"]
    active = {hold["reason"]: hold for hold in account["holds"]}
    named = data.get("reasons")
    if not named:
        asked = [reason for reason, hold in active.items() if hold["asked"]]
        named = [reason for reason in asked if person(active[reason]["asked"][0]) != person(who)] or asked
    if not named:
        return ["CauseUnresolved"]
    broken = ["InvalidTransition"] if any(reason not in active for reason in named) else []
    chosen = [active[reason] for reason in named if reason in active]
    broken += ["CauseUnresolved" for hold in chosen if hold["asked"] is None]
    broken += ["SelfApproval" for hold in chosen if hold["asked"] and person(hold["asked"][0]) == person(who)]
    if not broken:
        account["holds"] = [hold for hold in account["holds"] if hold not in chosen]
    return broken


def report_balance(account: Account, data: dict[str, Any], as_of: datetime) -> tuple[list[str], bool]:
    """Keep the latest balance; return the broken rules, and whether anything changed."""
    if data["currencyCode"] != account["currency"]:
        return ["CurrencyMismatch"], False
    reported = (float(data["outstanding"]), data["currencyCode"], as_of)
    if account["balance"] is not None and (as_of < account["balance"][2] or reported == account["balance"]):
        return [], False
    account["balance"] = reported
    return [], True


def is_too_far_ahead(as_of: datetime, now: datetime) -> bool:
    """Return whether a balance lies more than five minutes in the future."""
    return as_of > now + timedelta(minutes=5)


def blockers(state: State, name: str) -> list[str]:
    """Return what prevents an account from being closed."""
    account = state["accounts"][name]
    broken = []
    if any(project["payer"] == name for project in state["projects"].values()):
        broken.append("ActiveBindingsExist")
    balance, ended = account["balance"], account["ended"]
    is_settled = balance is not None and balance[0] == 0 and (ended is None or balance[2] >= ended)
    if account["activated"] and not is_settled:
        broken.append("ChargesOutstanding")
    return broken
