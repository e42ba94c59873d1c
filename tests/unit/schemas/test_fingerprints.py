"""Which commands are the same by meaning (docs/contract.md section 6)."""

import json
from hashlib import sha256
from typing import Any

import pytest
from pydantic import create_model

from schemas.commands import BindProject
from schemas.records import Record
from tests.unit.schemas.building import ATTACH, BIND, CARD, CREATE, SUSPEND, binary, command, record, structured


def _meaning(of: Record) -> bytes:
    return command(of).fingerprint


def _terms(**terms: Any) -> dict[str, Any]:
    return CREATE | {"paymentTerms": terms}


def _preferences(**preferences: Any) -> dict[str, Any]:
    return CREATE | {"preferences": preferences}


def _contact(**changed: Any) -> dict[str, Any]:
    return CREATE | {"contact": {"name": "Ada", "emails": ["ada@example.com"], **changed}}


BALANCE = CREATE | {"outstanding": "12.5", "currencyCode": "USD", "asOf": "2027-01-31T12:00:00Z"}
RESOLVED = CREATE | {"resolution": "paid"}
MOVE = {"organization": "acme", "fromAccount": "a", "toAccount": "b"}
# In an update a member that is said has a meaning, also at its default: it replaces what was chosen before.
TERMS: dict[str, Any] = {
    "netDays": 30,
    "invoiceFrequency": "Monthly",
    "invoiceDayOfMonth": 1,
    "earlyPaymentDiscount": {"percent": "2", "withinDays": 10},
    "latePaymentPenalty": {"annualPercent": "8"},
}
DISCOUNT = {"percent": "2.5", "withinDays": 10}

SAME: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("the order of members", "BindProject", BIND | {"reason": "x"}, {"reason": "x"} | dict(reversed(BIND.items()))),
    ("dryRun written out", "BindProject", BIND, BIND | {"dryRun": False}),
    ("dryRun as null", "BindProject", BIND, BIND | {"dryRun": None}),
    ("an optional member as null", "BindProject", BIND, BIND | {"reason": None}),
    ("terms as null", "CreateAccount", CREATE, CREATE | {"paymentTerms": None}),
    (
        "defaults of terms",
        "CreateAccount",
        _terms(),
        _terms(netDays=30, invoiceFrequency="Monthly", invoiceDayOfMonth=1),
    ),
    (
        "a longer decimal",
        "CreateAccount",
        _terms(earlyPaymentDiscount=DISCOUNT),
        _terms(earlyPaymentDiscount=DISCOUNT | {"percent": "2.50"}),
    ),
    (
        "minus zero",
        "CreateAccount",
        _terms(latePaymentPenalty={"annualPercent": "0"}),
        _terms(latePaymentPenalty={"annualPercent": "-0.00", "graceDays": 0}),
    ),
    ("waitSeconds written out", "BindProject", BIND, BIND | {"waitSeconds": 0}),
    ("waitSeconds as null", "BindProject", BIND, BIND | {"waitSeconds": None}),
    (
        "an instant in another zone",
        "BindProject",
        BIND | {"effectiveAt": "2027-01-31T12:00:00Z"},
        BIND | {"effectiveAt": "2027-01-31T13:00:00.000+01:00"},
    ),
    ("a longer amount", "ReportBalance", BALANCE, BALANCE | {"outstanding": "12.500"}),
    ("all reasons as null", "ApproveReactivation", CREATE, CREATE | {"reasons": None}),
    ("an expected version as null", "UpdateAccount", CREATE, CREATE | {"expectedVersion": None}),
    (
        "a longer decimal in a patch",
        "UpdateAccount",
        _terms(earlyPaymentDiscount=DISCOUNT),
        _terms(earlyPaymentDiscount=DISCOUNT | {"percent": "2.50"}),
    ),
    ("no optional part of a contact", "CreateAccount", _contact(), _contact(phone=None, language=None)),
    ("an address in capitals", "CreateAccount", _contact(), _contact(emails=["ada@EXAMPLE.com"])),
    ("decomposed text", "CreateAccount", CREATE | {"displayName": "caf\u00e9"}, CREATE | {"displayName": "cafe\u0301"}),
]

OTHER: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("another account", "BindProject", BIND, BIND | {"account": "b"}),
    ("another project", "BindProject", BIND, BIND | {"project": "p2"}),
    ("another organization", "BindProject", BIND, BIND | {"organization": "beta"}),
    (
        "names exchanged",
        "BindProject",
        BIND | {"project": "a", "account": "b"},
        BIND | {"project": "b", "account": "a"},
    ),
    *(
        (f"{member} cleared and unsaid", "UpdateAccount", CREATE, CREATE | {member: None})
        for member in ("displayName", "currencyCode", "paymentTerms", "preferences", "contact")
    ),
    *(
        (f"{member} cleared and unsaid in a patch of terms", "UpdateAccount", _terms(), _terms(**{member: None}))
        for member in TERMS
    ),
    *(
        (
            f"{member} said and cleared in a patch of terms",
            "UpdateAccount",
            _terms(**{member: value}),
            _terms(**{member: None}),
        )
        for member, value in TERMS.items()
    ),
    *(
        (
            f"{member} at its default and unsaid in a patch of terms",
            "UpdateAccount",
            _terms(),
            _terms(**{member: value}),
        )
        for member, value in TERMS.items()
    ),
    *(
        (
            f"{member} cleared and unsaid in a patch of preferences",
            "UpdateAccount",
            _preferences(),
            _preferences(**{member: None}),
        )
        for member in ("taxRegistrations", "invoiceLanguage", "invoiceFormat", "eInvoicing", "dataResidency")
    ),
    ("empty terms and terms cleared", "UpdateAccount", _terms(), CREATE | {"paymentTerms": None}),
    ("no account and another as default", "SetDefaultAccount", CREATE, CREATE | {"account": None}),
    ("some reasons and all", "RequestReactivation", RESOLVED, RESOLVED | {"reasons": ["PaymentFailure"]}),
    ("another amount", "ReportBalance", BALANCE, BALANCE | {"outstanding": "12.51"}),
    ("another currency", "ReportBalance", BALANCE, BALANCE | {"currencyCode": "EUR"}),
    ("another resolution", "RequestReactivation", RESOLVED, RESOLVED | {"resolution": "waived"}),
    ("another account to move to", "TransferProjects", MOVE, MOVE | {"toAccount": "c"}),
    ("another instant", "ReportBalance", BALANCE, BALANCE | {"asOf": "2027-01-31T12:00:00.000001Z"}),
    ("an instant", "BindProject", BIND, BIND | {"effectiveAt": "2027-01-31T12:00:00Z"}),
    ("patience", "BindProject", BIND, BIND | {"waitSeconds": 1}),
    ("an expected version", "UpdateAccount", CREATE, CREATE | {"expectedVersion": 1}),
    ("another contact", "CreateAccount", _contact(), _contact(name="Bea")),
    ("some projects and all", "TransferProjects", MOVE, MOVE | {"projects": ["p1"]}),
    (
        "projects in another order",
        "TransferProjects",
        MOVE | {"projects": ["p1", "p2"]},
        MOVE | {"projects": ["p2", "p1"]},
    ),
    ("a reason", "BindProject", BIND, BIND | {"reason": "x"}),
    ("an empty reason", "BindProject", BIND, BIND | {"reason": ""}),
    ("letters in another case", "BindProject", BIND | {"reason": "x"}, BIND | {"reason": "X"}),
    ("an expected payer", "BindProject", BIND, BIND | {"expectedAccount": "b"}),
    ("no expected payer and an expected none", "BindProject", BIND, BIND | {"expectedAccount": None}),
    (
        "an expected payer and an expected none",
        "BindProject",
        BIND | {"expectedAccount": "b"},
        BIND | {"expectedAccount": None},
    ),
    ("empty terms and none", "CreateAccount", CREATE, _terms()),
    ("other terms", "CreateAccount", _terms(), _terms(netDays=31)),
    (
        "another percentage",
        "CreateAccount",
        _terms(earlyPaymentDiscount=DISCOUNT),
        _terms(earlyPaymentDiscount=DISCOUNT | {"percent": "2.51"}),
    ),
    ("another profile", "AttachPaymentProfile", ATTACH, ATTACH | {"paymentProfile": "card-2"}),
    ("another hold", "SuspendAccount", SUSPEND, SUSPEND | {"reason": "Administrative"}),
    ("well and ill formed", "BindProject", BIND, BIND | {"colour": "red"}),
    ("ill formed in two ways", "BindProject", BIND | {"colour": "red"}, BIND | {"colour": "blue"}),
    ("ill formed in number", "BindProject", BIND | {"colour": 10**30}, BIND | {"colour": 10**30 + 1}),
]


@pytest.mark.parametrize(("name", "one", "other"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_the_same_meaning(name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert _meaning(structured(name, one)) == _meaning(structured(name, other))


@pytest.mark.parametrize(("name", "one", "other"), [case[1:] for case in OTHER], ids=[case[0] for case in OTHER])
def test_another_meaning_has_another_fingerprint(name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert _meaning(structured(name, one)) != _meaning(structured(name, other))


def test_spelling_of_the_json_does_not_matter() -> None:
    spaced = structured("BindProject", BIND)
    escaped = (spaced.value or b"").replace(b'"acme"', rb'"\u0061cme"').replace(b", ", b" ,\n ")
    assert _meaning(record(escaped)) == _meaning(spaced)


@pytest.mark.parametrize(
    "changed",
    (
        {"time": "2001-01-01T00:00:00Z"},
        {"time": "no instant"},
        {"expirytime": "2030-01-01T00:00:00Z"},
        {"authid": "bob"},
        {"authid": None},
        {"correlationid": "k"},
        {"id": "c-2"},
        {"source": "/other"},
        {"traceparent": ""},
    ),
)
@pytest.mark.parametrize("mode", (structured, binary))
def test_the_envelope_does_not_matter(mode: Any, changed: dict[str, Any]) -> None:
    assert _meaning(mode("BindProject", BIND, **changed)) == _meaning(structured("BindProject", BIND))


def test_the_type_matters() -> None:
    types = ["BindProject", "SuspendAccount", "Unknown", "io.milo.billing.BindProject.v2", "com.example.BindProject.v1"]
    assert len({_meaning(structured(type_, CREATE)) for type_ in types}) == len(types)
    # Also between commands that say the same in the same members.
    assert _meaning(structured("CreateAccount", ATTACH)) != _meaning(structured("AttachPaymentProfile", ATTACH))


def test_the_order_of_members_does_not_matter_to_what_is_refused() -> None:
    data = BIND | {"colour": {"a": 1, "b": [1.5, None]}}
    assert _meaning(structured("BindProject", data)) == _meaning(
        structured("BindProject", dict(reversed(data.items())))
    )


def test_a_contact_is_covered_as_all_else_is() -> None:
    """By no key and no salt: what is kept of it, whoever guesses it can compute (docs/decisions/0037)."""
    said = {"account": "a", "contact": {"emails": ["ada@example.com"], "name": "Ada"}, "organization": "acme"}
    written = json.dumps(["UpdateAccount", said], separators=(",", ":")).encode()
    assert _meaning(structured("UpdateAccount", said)) == sha256(written).digest()


def test_a_card_number_leaves_no_trace_in_it() -> None:
    others = ["5555555555554444", "4111 1111 1111 1111"]
    meanings = {_meaning(structured("BindProject", BIND | {"reason": number})) for number in [CARD, *others]}
    assert len(meanings) == 1
    assert meanings != {_meaning(structured("BindProject", BIND))}


def test_a_dry_run_means_what_the_command_means() -> None:
    assert _meaning(structured("BindProject", BIND | {"dryRun": True})) == _meaning(structured("BindProject", BIND))


def test_a_member_that_a_later_version_adds_changes_no_earlier_meaning() -> None:
    later = create_model("BindProject", __base__=BindProject, wait_seconds=(int, 0), note=(str | None, None))
    for said in (BIND, BIND | {"expectedAccount": None}, BIND | {"reason": "x", "dryRun": True}):
        assert later.model_validate(said).fingerprint() == BindProject.model_validate(said).fingerprint()
    assert later.model_validate(BIND | {"waitSeconds": 5}).fingerprint() != _meaning(structured("BindProject", BIND))
