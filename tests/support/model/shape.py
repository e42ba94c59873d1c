"""The model's idea of a well-formed command (docs/contract.md, sections 2 and 5), as far as stories need."""

import re
from typing import Any

HOLDS = ("PaymentFailure", "ComplianceViolation", "Administrative")
CURRENCIES = ("USD", "EUR")
MEMBERS = {
    "CreateAccount": "account! displayName currencyCode paymentTerms paymentProfile preferences contact",
    "UpdateAccount": "account! displayName currencyCode paymentTerms preferences contact expectedVersion",
    "AttachPaymentProfile": "account! paymentProfile!",
    "DetachPaymentProfile": "account!",
    "SuspendAccount": "account! reason! message",
    "RequestReactivation": "account! resolution! reasons",
    "ApproveReactivation": "account! reasons",
    "ReportBalance": "account! outstanding! currencyCode! asOf!",
    "RequestClosure": "account! reason",
    "ApproveClosure": "account!",
    "WithdrawClosure": "account!",
    "BindProject": "project! account! expectedAccount effectiveAt waitSeconds reason",
    "CancelScheduledBinding": "project!",
    "TransferProjects": "fromAccount! toAccount! projects reason",
    "SetDefaultAccount": "account",
}
TERMS = {"netDays": 30, "invoiceFrequency": "Monthly", "invoiceDayOfMonth": 1}
NULL_SAYS_SOMETHING = {
    "UpdateAccount": ("displayName", "currencyCode", "paymentTerms", "preferences", "contact"),
    "BindProject": ("expectedAccount",),
    "SetDefaultAccount": ("account",),
}


def shape_violations(type_: str, data: dict[str, Any]) -> list[str]:
    """Return `Invalid` once for each fault, then `CardNumber` once for each."""
    allowed = [*MEMBERS[type_].replace("!", "").split(), "organization", "dryRun"]
    required = [name[:-1] for name in MEMBERS[type_].split() if name.endswith("!")]
    faults = [name for name in data if name not in allowed]
    faults += [name for name in required if data.get(name) is None]
    if type_ == "SuspendAccount" and data.get("reason") not in HOLDS:
        faults.append("reason")
    if data.get("currencyCode") is not None and data["currencyCode"] not in CURRENCIES:
        faults.append("currencyCode")
    for name in ("reasons", "projects"):
        listed = data.get(name)
        if listed is not None and (not listed or len(set(listed)) < len(listed)):
            faults.append(name)
    if type_ == "TransferProjects" and data["fromAccount"] == data["toAccount"]:
        faults.append("toAccount")
    wait = data.get("waitSeconds") or 0
    if not 0 <= wait <= 3600 or (wait > 0 and data.get("effectiveAt")):
        faults.append("waitSeconds")
    terms = data.get("paymentTerms")
    # An update is complete only once it is merged.
    is_judged = type_ == "CreateAccount" or (terms or {}).get("netDays") == 0
    if terms and is_judged and not are_terms_valid(TERMS | without_nulls(terms)):
        faults.append("paymentTerms")
    return ["Invalid"] * len(faults) + ["CardNumber"] * card_numbers(data)


def card_numbers(data: dict[str, Any]) -> int:
    """Return how many of the members are card numbers."""
    return sum(map(_is_card_number, data.values()))


def meaning(type_: str, data: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a command means: spelling, member order and defaults make no difference."""
    kept = {
        name: value
        for name, value in data.items()
        if name != "dryRun" and (value is not None or name in NULL_SAYS_SOMETHING.get(type_, ()))
    }
    if type_ == "BindProject":
        kept.setdefault("waitSeconds", 0)
    if type_ == "CreateAccount" and "paymentTerms" in kept:
        kept["paymentTerms"] = TERMS | without_nulls(kept["paymentTerms"])
    if type_ == "ReportBalance":
        kept["outstanding"] = float(kept["outstanding"])
    return (type_, kept)


def are_terms_valid(terms: dict[str, Any]) -> bool:
    """Return whether complete terms are consistent."""
    discount = terms.get("earlyPaymentDiscount")
    return 1 <= terms["netDays"] <= 365 and (discount is None or discount["withinDays"] < terms["netDays"])


def without_nulls(members: dict[str, Any]) -> dict[str, Any]:
    """Return the members that are not null."""
    return {name: value for name, value in members.items() if value is not None}


def _is_card_number(value: object) -> bool:
    # Stories use one card number, and no other long number.
    return isinstance(value, str) and re.sub("[ -]", "", value) == "4111111111111111"
