"""Commands are read strictly, and answered or not (docs/contract.md sections 2, 5 and 6)."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic.alias_generators import to_snake

from schemas.commands import COMMANDS, AttachPaymentProfile, BindProject, CreateAccount, SuspendAccount
from schemas.policy import OperatorPolicy
from schemas.reading import CommandMessage
from schemas.records import DeadLetterReason
from schemas.terms import PaymentTerms
from tests.schemas.building import ATTACH, BIND, CARD, CREATE, SUSPEND, binary, command, record, refusal, structured

COMPLETE: dict[str, dict[str, Any]] = {
    "CreateAccount": CREATE,
    "UpdateAccount": CREATE,
    "AttachPaymentProfile": ATTACH,
    "DetachPaymentProfile": CREATE,
    "SuspendAccount": SUSPEND,
    "RequestReactivation": CREATE | {"resolution": "paid"},
    "ApproveReactivation": CREATE,
    "ReportBalance": CREATE | {"outstanding": "0", "currencyCode": "USD", "asOf": "2027-01-31T12:00:00Z"},
    "RequestClosure": CREATE,
    "ApproveClosure": CREATE,
    "WithdrawClosure": CREATE,
    "BindProject": BIND,
    "CancelScheduledBinding": {"organization": "acme", "project": "p1"},
    "TransferProjects": {"organization": "acme", "fromAccount": "a", "toAccount": "b"},
    "SetDefaultAccount": CREATE,
}
# Null is nobody for a default, and a resolution is any text.
ALLOWED: dict[tuple[str, str], list[Any]] = {
    ("SetDefaultAccount", "account"): [None],
    ("RequestReactivation", "resolution"): ["", "A"],
}
CONTACT: dict[str, Any] = {"name": "Ada", "emails": ["ada@example.com"]}


def _broken(name: str, data: Any) -> list[tuple[str, str | None]]:
    """The broken rules of a command's shape: reason and field."""
    message = command(structured(name, data))
    assert message.known
    assert (message.command is None) == bool(message.violations)
    assert all(not violation.retryable for violation in message.violations)
    return [(str(violation.reason), violation.field) for violation in message.violations]


def _read(name: str, data: Any) -> Any:
    message = command(structured(name, data))
    assert message.violations == ()
    return message.command


def test_every_command_in_full() -> None:
    terms = {
        "netDays": 60,
        "invoiceFrequency": "Annual",
        "invoiceDayOfMonth": 28,
        "earlyPaymentDiscount": {"percent": "2.50", "withinDays": 59},
        "latePaymentPenalty": {"annualPercent": "0", "graceDays": 3},
    }
    said = CREATE | {"displayName": "Lab", "currencyCode": "CHF", "paymentTerms": terms, "paymentProfile": "card-1"}
    create = _read("CreateAccount", said | {"dryRun": True})
    assert isinstance(create, CreateAccount)
    assert (create.organization, create.account, create.dry_run) == ("acme", "a", True)
    assert (create.display_name, create.currency_code, create.payment_profile) == ("Lab", "CHF", "card-1")
    assert create.payment_terms is not None
    assert (create.payment_terms.net_days, create.payment_terms.invoice_day_of_month) == (60, 28)
    discount, penalty = create.payment_terms.early_payment_discount, create.payment_terms.late_payment_penalty
    assert discount is not None
    assert penalty is not None
    assert (discount.percent, discount.within_days) == (Decimal("2.5"), 59)
    assert (penalty.annual_percent, penalty.grace_days) == (Decimal(0), 3)
    assert _read("AttachPaymentProfile", ATTACH) == AttachPaymentProfile(
        organization="acme", account="a", payment_profile="card-1"
    )
    assert _read("SuspendAccount", SUSPEND | {"message": "ticket 12"}) == SuspendAccount(
        organization="acme", account="a", reason="PaymentFailure", message="ticket 12"
    )
    assert _read("BindProject", BIND | {"expectedAccount": "b", "reason": "budget"}) == BindProject(
        organization="acme", project="p1", account="a", expected_account="b", reason="budget"
    )


def test_defaults_of_terms() -> None:
    create = _read("CreateAccount", CREATE | {"paymentTerms": {"latePaymentPenalty": {"annualPercent": "8"}}})
    assert (create.payment_terms.net_days, create.payment_terms.invoice_frequency) == (30, "Monthly")
    assert (create.payment_terms.invoice_day_of_month, create.payment_terms.early_payment_discount) == (1, None)
    assert create.payment_terms.late_payment_penalty.grace_days == 0


@pytest.mark.parametrize("name", COMPLETE)
def test_every_required_member(name: str) -> None:
    complete = COMPLETE[name]
    for member in complete.keys() - {"organization"}:
        assert _broken(name, {key: value for key, value in complete.items() if key != member}) == [
            ("Invalid", f"/{member}")
        ]
        wrong: list[Any] = [None, "", "A", 7, True, [], {}, "x\n"]
        for value in [one for one in wrong if one not in ALLOWED.get((name, member), [])]:
            assert _broken(name, complete | {member: value}) == [("Invalid", f"/{member}")]


@pytest.mark.parametrize(
    ("name", "optional"),
    (
        (
            "CreateAccount",
            ["displayName", "currencyCode", "paymentTerms", "paymentProfile", "preferences", "contact", "dryRun"],
        ),
        ("UpdateAccount", ["expectedVersion", "dryRun"]),
        ("AttachPaymentProfile", ["dryRun"]),
        ("DetachPaymentProfile", ["dryRun"]),
        ("SuspendAccount", ["message", "dryRun"]),
        ("RequestReactivation", ["reasons", "dryRun"]),
        ("ApproveReactivation", ["reasons", "dryRun"]),
        ("ReportBalance", ["dryRun"]),
        ("RequestClosure", ["reason", "dryRun"]),
        ("ApproveClosure", ["dryRun"]),
        ("WithdrawClosure", ["dryRun"]),
        ("BindProject", ["effectiveAt", "waitSeconds", "reason", "dryRun"]),
        ("CancelScheduledBinding", ["dryRun"]),
        ("TransferProjects", ["projects", "reason", "dryRun"]),
        ("SetDefaultAccount", ["dryRun"]),
    ),
)
def test_null_is_absence_of_an_optional_member(name: str, optional: list[str]) -> None:
    assert _read(name, COMPLETE[name] | dict.fromkeys(optional)) == _read(name, COMPLETE[name])


def test_every_command_is_among_these() -> None:
    assert COMPLETE.keys() == COMMANDS.keys()


@pytest.mark.parametrize("member", ("displayName", "currencyCode", "paymentTerms", "preferences", "contact"))
def test_null_is_said_of_what_an_update_clears(member: str) -> None:
    cleared = _read("UpdateAccount", CREATE | {member: None})
    assert cleared.gives(to_snake(member))
    assert not _read("UpdateAccount", CREATE).gives(to_snake(member))
    assert cleared.only_erases_contact is (member == "contact")
    assert not _read("UpdateAccount", CREATE | {"contact": None, "expectedVersion": 1}).only_erases_contact
    assert not _read("UpdateAccount", CREATE | {"contact": CONTACT}).only_erases_contact
    # dryRun changes nothing about what is said.
    said = _read("UpdateAccount", CREATE | {"contact": None, "dryRun": True, "expectedVersion": None})
    assert said.contact is None


@pytest.mark.parametrize("seconds", (0, 1, 3600))
def test_patience(seconds: int) -> None:
    assert _read("BindProject", BIND | {"waitSeconds": seconds}).wait_seconds == seconds
    assert _read("BindProject", BIND | {"waitSeconds": None}).wait_seconds == 0


@pytest.mark.parametrize("value", (-1, 3601, 1.0, "5", True, [], {}, 10**30))
def test_patience_refused(value: object) -> None:
    assert _broken("BindProject", BIND | {"waitSeconds": value}) == [("Invalid", "/waitSeconds")]


@pytest.mark.parametrize("instant", ("2027-01-31T12:00:00Z", "2001-01-01T00:00:00+01:00"))
def test_patience_beside_an_instant_is_refused_whatever_the_instant(instant: str) -> None:
    assert _broken("BindProject", BIND | {"waitSeconds": 1, "effectiveAt": instant}) == [("Invalid", "/waitSeconds")]
    for seconds in (0, None):
        assert _read("BindProject", BIND | {"waitSeconds": seconds, "effectiveAt": instant}).effective_at is not None
    assert _broken("BindProject", BIND | {"effectiveAt": "tomorrow"}) == [("Invalid", "/effectiveAt")]


@pytest.mark.parametrize(
    ("name", "member", "one", "other"),
    (
        ("RequestReactivation", "reasons", "PaymentFailure", "Administrative"),
        ("ApproveReactivation", "reasons", "PaymentFailure", "Administrative"),
        ("TransferProjects", "projects", "p1", "p2"),
    ),
)
def test_lists_of_what_is_named_once(name: str, member: str, one: str, other: str) -> None:
    assert getattr(_read(name, COMPLETE[name] | {member: [one, other]}), member) == (one, other)
    refused: list[Any] = [[], [one, one], [one, other, one], one, {}, 7]
    for value in refused:
        assert _broken(name, COMPLETE[name] | {member: value}) == [("Invalid", f"/{member}")]
    assert _broken(name, COMPLETE[name] | {member: [one, "BAD"]}) == [("Invalid", f"/{member}/1")]


def test_a_transfer_is_between_two_accounts() -> None:
    assert _broken("TransferProjects", COMPLETE["TransferProjects"] | {"toAccount": "a"}) == [("Invalid", "/toAccount")]


def test_what_the_operator_does_not_offer_is_malformed_and_means_the_same() -> None:
    said = structured("CreateAccount", CREATE | {"currencyCode": "CHF"})
    narrowed = command(said, OperatorPolicy(currencies=frozenset({"USD"})))
    assert [(v.reason, v.field) for v in narrowed.violations] == [("Invalid", "/currencyCode")]
    assert (narrowed.command, narrowed.fingerprint) == (None, command(said).fingerprint)


def test_null_is_absence_of_an_optional_member_of_terms() -> None:
    optional = ["netDays", "invoiceFrequency", "invoiceDayOfMonth", "earlyPaymentDiscount", "latePaymentPenalty"]
    create = _read("CreateAccount", CREATE | {"paymentTerms": dict.fromkeys(optional)})
    assert create.payment_terms == PaymentTerms()
    penalty = {"latePaymentPenalty": {"annualPercent": "8", "graceDays": None}}
    assert _read("CreateAccount", CREATE | {"paymentTerms": penalty}).payment_terms.late_payment_penalty.grace_days == 0


def test_an_expected_payer_of_null_is_said() -> None:
    assert not _read("BindProject", BIND).expects_payer
    assert _read("BindProject", BIND | {"expectedAccount": None}).expects_payer
    assert _read("BindProject", BIND | {"expectedAccount": "b"}).expects_payer


TERMS_REFUSED: dict[str, list[Any]] = {
    "/netDays": [0, 366, -1, 30.0, "30", True, [], 10**30],
    "/invoiceFrequency": ["monthly", "Weekly", "", 1, True],
    "/invoiceDayOfMonth": [0, 29, 1.0, "1"],
    "/earlyPaymentDiscount/percent": ["0", "-0", "100", "100.1", "-1", 2, 2.5, "2,5", "1e1", None],
    "/earlyPaymentDiscount/withinDays": [0, -1, 30, 31, 2.0, "3", None],
    "/latePaymentPenalty/annualPercent": ["-0.1", "100.000001", 8, None],
    "/latePaymentPenalty/graceDays": [-1, 1.0, "0", 2**40],
    "/earlyPaymentDiscount": ["x", 1, [], True],
    "/net_days": [30],
    "/netdays": [30],
    "/earlyPaymentDiscount/within_days": [3],
}


@pytest.mark.parametrize(("field", "value"), [(field, one) for field, wrong in TERMS_REFUSED.items() for one in wrong])
def test_terms_refused(field: str, value: Any) -> None:
    _, member, *rest = field.split("/")
    usual: dict[str, Any] = {
        "earlyPaymentDiscount": {"percent": "2", "withinDays": 5},
        "latePaymentPenalty": {"annualPercent": "8"},
    }
    terms: dict[str, Any] = {**usual, member: usual[member] | {rest[0]: value} if rest else value}
    assert _broken("CreateAccount", CREATE | {"paymentTerms": terms}) == [("Invalid", f"/paymentTerms{field}")]


def test_the_bounds_of_terms() -> None:
    for within, net in ((1, 2), (29, 30), (364, 365)):
        terms = {"netDays": net, "earlyPaymentDiscount": {"percent": "99.999999", "withinDays": within}}
        assert _read("CreateAccount", CREATE | {"paymentTerms": terms}).payment_terms.net_days == net
    for percent in ("0", "100", "0.000001"):
        penalty = {"latePaymentPenalty": {"annualPercent": percent}}
        assert _read("CreateAccount", CREATE | {"paymentTerms": penalty})


@pytest.mark.parametrize("value", ("x", 1, True, [], ["netDays"]))
def test_terms_are_an_object(value: object) -> None:
    message = command(structured("CreateAccount", CREATE | {"paymentTerms": value}))
    assert [(v.field, v.message) for v in message.violations] == [("/paymentTerms", "must be an object")]


@pytest.mark.parametrize("reason", ("BECAUSE", "paymentFailure", "PAYMENT_FAILURE", "", 7, None, "PaymentFailure\n"))
def test_hold_reasons_outside_the_list(reason: object) -> None:
    assert _broken("SuspendAccount", SUSPEND | {"reason": reason}) == [("Invalid", "/reason")]


@pytest.mark.parametrize("value", (1, 0, "true", "false", "", [], {}))
def test_a_dry_run_is_true_or_false(value: object) -> None:
    assert _broken("BindProject", BIND | {"dryRun": value}) == [("Invalid", "/dryRun")]
    assert not command(structured("BindProject", BIND | {"dryRun": value})).dry_run


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("member", ("colour", "dry_run", "dryrun", "DryRun", "", "account ", "__class__", "a/b~c"))
def test_an_unknown_member_refuses_the_command(name: str, member: str) -> None:
    escaped = member.replace("~", "~0").replace("/", "~1")
    for value in ("red", None, {}, {"deeper": "still"}):
        assert _broken(name, COMPLETE[name] | {member: value}) == [("Invalid", f"/{escaped}")]


def test_members_of_other_commands_are_unknown() -> None:
    assert _broken("BindProject", BIND | {"paymentProfile": "card-1"}) == [("Invalid", "/paymentProfile")]
    assert _broken("AttachPaymentProfile", ATTACH | {"expectedAccount": None}) == [("Invalid", "/expectedAccount")]


def test_all_that_is_wrong_is_named() -> None:
    data = {
        "organization": "acme",
        "account": "A",
        "currencyCode": "usd",
        "paymentTerms": {"netDays": 0, "x": 1},
        "y": CARD,
    }
    assert sorted(_broken("CreateAccount", data)) == [
        ("CardNumber", "/y"),
        ("Invalid", "/account"),
        ("Invalid", "/currencyCode"),
        ("Invalid", "/paymentTerms/netDays"),
        ("Invalid", "/paymentTerms/x"),
        ("Invalid", "/y"),
    ]


@pytest.mark.parametrize(
    "data", ({"account": "a\n"}, {"account": 10**39}, {"account": "a", "x": -(10**39)}, {"account": "a", "x": 1e300})
)
def test_numbers_and_texts_of_any_size_are_answered(data: dict[str, Any]) -> None:
    assert [reason for reason, _ in _broken("BindProject", BIND | data)] == ["Invalid"]


@pytest.mark.parametrize(
    "type_",
    (
        "io.milo.billing.FrobnicateAccount.v1", "io.milo.billing.bindProject.v1", "io.milo.billing.BindProject.v2",
        "io.milo.billing.BindProject.v0", "io.milo.billing.BindProject.v01", "io.milo.billing.BindProject",
        "com.example.BindProject.v1", "BindProject.v1", "io.milo.billing.BindProject.v1.v1", "io.milo.billing..v1",
        "io.milo.billing.BindProject.v1 ", "io.milo.billing.Command.v1", "io.milo.billing.BindingChanged.v1",
        "io.milo.billing.ProjectChangedX.v1", "io.milo.billing.ProjectChanged", "x.y",
    ),
)  # fmt: skip
def test_an_unknown_command_is_answered(type_: str) -> None:
    message = command(structured(type_, BIND | {"colour": "red"}))
    assert (message.known, message.command, message.event.type) == (False, None, type_)


@pytest.mark.parametrize("name", ("ProjectChanged", "PaymentProfileChanged"))
@pytest.mark.parametrize("version", ("v1", "v2", "v0", "v77"))
def test_a_fact_is_no_command(name: str, version: str) -> None:
    unanswerable = refusal(lambda: command(structured(f"io.milo.billing.{name}.{version}", BIND)))
    assert unanswerable.reason is DeadLetterReason.UNKNOWN_TYPE


@pytest.mark.parametrize("organization", (None, "", "ACME", "acme\n", 42, True, ["acme"], {"acme": 1}, "x" * 254))
@pytest.mark.parametrize("mode", (structured, binary))
def test_without_an_organization_nobody_is_answered(mode: Any, organization: object) -> None:
    for name in ("BindProject", "FrobnicateAccount"):
        unanswerable = refusal(lambda name=name: command(mode(name, BIND | {"organization": organization})))  # type: ignore[misc]
        assert unanswerable.reason is DeadLetterReason.MISSING_ATTRIBUTE


@pytest.mark.parametrize("data", (None, [], "acme", 42, True, [BIND]))
def test_data_that_is_no_object_has_no_organization(data: object) -> None:
    assert refusal(lambda: command(structured("BindProject", data))).reason is DeadLetterReason.MISSING_ATTRIBUTE


def test_no_data_has_no_organization() -> None:
    bare = record(b'{"specversion":"1.0","id":"1","source":"/s","type":"io.milo.billing.BindProject.v1"}')
    assert refusal(lambda: command(bare)).reason is DeadLetterReason.MISSING_ATTRIBUTE


def _said(message: CommandMessage) -> str:
    return " ".join(f"{violation.field} {violation.message}" for violation in message.violations)


@pytest.mark.parametrize("field", ("account", "project", "reason", "expectedAccount", "dryRun"))
def test_a_value_is_never_quoted(field: str) -> None:
    for value in ("Zz" * 3, "z" * 600, ["Zz"], {"Zz": "Zz"}):
        if field == "reason" and value == "ZzZzZz":
            continue
        said = _said(command(structured("BindProject", BIND | {field: value})))
        assert said
        assert "zz" not in said.lower()


def test_a_name_is_quoted_to_a_hundred_characters_only() -> None:
    hundred, more = "n" * 100, "n" * 101
    assert _broken("BindProject", BIND | {hundred: 1}) == [("Invalid", f"/{hundred}")]
    assert _broken("BindProject", BIND | {more: 1}) == [("Invalid", "")]
    terms = {"paymentTerms": {more: 1}}
    assert _broken("CreateAccount", CREATE | terms) == [("Invalid", "/paymentTerms")]
    assert more not in _said(command(structured("BindProject", BIND | {more: more})))


def test_below_contact_nothing_is_quoted() -> None:
    contact = {"Ottokar": "Quendel", "name": 7, "address": {"Amselgasse": 9}}
    assert _broken("BindProject", BIND | {"contact": contact}) == [("Invalid", "/contact")]


@pytest.mark.parametrize("name", ("CreateAccount", "UpdateAccount"))
def test_an_unknown_member_below_contact_is_not_quoted(name: str) -> None:
    """Its name is the sender's own text, and may be a person's."""
    contact: dict[str, Any] = {
        **CONTACT,
        "Ottokar": "Quendel",
        "address": {"line1": "x", "city": "y", "country": "CH", "Amselgasse": 9},
        "accountingContact": {**CONTACT, "Wolkenstein": None},
    }
    message = command(structured(name, CREATE | {"contact": contact}))
    assert sorted((v.field, v.message) for v in message.violations) == [
        ("/contact", "has an unknown member"),
        ("/contact/accountingContact", "has an unknown member"),
        ("/contact/address", "has an unknown member"),
    ]
    for secret in ("Ottokar", "Quendel", "Amselgasse", "Wolkenstein"):
        assert secret not in _said(message)
    # A name of the contract's own is.
    assert _broken(name, CREATE | {"contact": CONTACT | {"phone": "Quendel"}}) == [("Invalid", "/contact/phone")]
    assert _broken(name, CREATE | {"contact": CONTACT | {"emails": ["Quendel"]}}) == [("Invalid", "/contact/emails/0")]
