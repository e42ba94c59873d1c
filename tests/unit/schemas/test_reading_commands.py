"""Commands are read strictly (docs/contract.md sections 2, 5 and 6)."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic.alias_generators import to_snake

from schemas.commands import COMMANDS, AttachPaymentProfile, BindProject, CreateAccount, SuspendAccount
from schemas.policy import OperatorPolicy
from tests.unit.schemas.building import ATTACH, BIND, CARD, CREATE, SUSPEND, command, structured
from tests.unit.schemas.read_commands import CONTACT, broken, read

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


def test_every_command_in_full() -> None:
    terms = {
        "netDays": 60,
        "invoiceFrequency": "Annual",
        "invoiceDayOfMonth": 28,
        "earlyPaymentDiscount": {"percent": "2.50", "withinDays": 59},
        "latePaymentPenalty": {"annualPercent": "0", "graceDays": 3},
    }
    said = CREATE | {"displayName": "Lab", "currencyCode": "CHF", "paymentTerms": terms, "paymentProfile": "card-1"}
    create = read("CreateAccount", said | {"dryRun": True})
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
    assert read("AttachPaymentProfile", ATTACH) == AttachPaymentProfile(
        organization="acme", account="a", payment_profile="card-1"
    )
    assert read("SuspendAccount", SUSPEND | {"message": "ticket 12"}) == SuspendAccount(
        organization="acme", account="a", reason="PaymentFailure", message="ticket 12"
    )
    assert read("BindProject", BIND | {"expectedAccount": "b", "reason": "budget"}) == BindProject(
        organization="acme", project="p1", account="a", expected_account="b", reason="budget"
    )


@pytest.mark.parametrize("name", COMPLETE)
def test_every_required_member(name: str) -> None:
    complete = COMPLETE[name]
    for member in complete.keys() - {"organization"}:
        assert broken(name, {key: value for key, value in complete.items() if key != member}) == [
            ("Invalid", f"/{member}")
        ]
        wrong: list[Any] = [None, "", "A", 7, True, [], {}, "x\n"]
        for value in [one for one in wrong if one not in ALLOWED.get((name, member), [])]:
            assert broken(name, complete | {member: value}) == [("Invalid", f"/{member}")]


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
    assert read(name, COMPLETE[name] | dict.fromkeys(optional)) == read(name, COMPLETE[name])


def test_every_command_is_among_these() -> None:
    assert COMPLETE.keys() == COMMANDS.keys()


@pytest.mark.parametrize("member", ("displayName", "currencyCode", "paymentTerms", "preferences", "contact"))
def test_null_is_said_of_what_an_update_clears(member: str) -> None:
    cleared = read("UpdateAccount", CREATE | {member: None})
    assert cleared.gives(to_snake(member))
    assert not read("UpdateAccount", CREATE).gives(to_snake(member))
    assert cleared.only_erases_contact is (member == "contact")
    assert not read("UpdateAccount", CREATE | {"contact": None, "expectedVersion": 1}).only_erases_contact
    assert not read("UpdateAccount", CREATE | {"contact": CONTACT}).only_erases_contact
    # dryRun changes nothing about what is said.
    said = read("UpdateAccount", CREATE | {"contact": None, "dryRun": True, "expectedVersion": None})
    assert said.contact is None


@pytest.mark.parametrize("seconds", (0, 1, 3600))
def test_how_long_a_command_may_wait(seconds: int) -> None:
    assert read("BindProject", BIND | {"waitSeconds": seconds}).wait_seconds == seconds
    assert read("BindProject", BIND | {"waitSeconds": None}).wait_seconds == 0


@pytest.mark.parametrize("value", (-1, 3601, 1.0, "5", True, [], {}, 10**30))
def test_waits_that_are_refused(value: object) -> None:
    assert broken("BindProject", BIND | {"waitSeconds": value}) == [("Invalid", "/waitSeconds")]


@pytest.mark.parametrize("instant", ("2027-01-31T12:00:00Z", "2001-01-01T00:00:00+01:00"))
def test_patience_beside_an_instant_is_refused_whatever_the_instant(instant: str) -> None:
    assert broken("BindProject", BIND | {"waitSeconds": 1, "effectiveAt": instant}) == [("Invalid", "/waitSeconds")]
    for seconds in (0, None):
        assert read("BindProject", BIND | {"waitSeconds": seconds, "effectiveAt": instant}).effective_at is not None
    assert broken("BindProject", BIND | {"effectiveAt": "tomorrow"}) == [("Invalid", "/effectiveAt")]


@pytest.mark.parametrize(
    ("name", "member", "one", "other"),
    (
        ("RequestReactivation", "reasons", "PaymentFailure", "Administrative"),
        ("ApproveReactivation", "reasons", "PaymentFailure", "Administrative"),
        ("TransferProjects", "projects", "p1", "p2"),
    ),
)
def test_lists_of_what_is_named_once(name: str, member: str, one: str, other: str) -> None:
    assert getattr(read(name, COMPLETE[name] | {member: [one, other]}), member) == (one, other)
    refused: list[Any] = [[], [one, one], [one, other, one], one, {}, 7]
    for value in refused:
        assert broken(name, COMPLETE[name] | {member: value}) == [("Invalid", f"/{member}")]
    assert broken(name, COMPLETE[name] | {member: [one, "BAD"]}) == [("Invalid", f"/{member}/1")]


def test_a_transfer_is_between_two_accounts() -> None:
    assert broken("TransferProjects", COMPLETE["TransferProjects"] | {"toAccount": "a"}) == [("Invalid", "/toAccount")]


def test_what_the_operator_does_not_offer_is_malformed_and_means_the_same() -> None:
    said = structured("CreateAccount", CREATE | {"currencyCode": "CHF"})
    narrowed = command(said, OperatorPolicy(currencies=frozenset({"USD"})))
    assert [(v.reason, v.field) for v in narrowed.violations] == [("Invalid", "/currencyCode")]
    assert (narrowed.command, narrowed.fingerprint) == (None, command(said).fingerprint)


def test_an_expected_payer_of_null_is_said() -> None:
    assert not read("BindProject", BIND).expects_payer
    assert read("BindProject", BIND | {"expectedAccount": None}).expects_payer
    assert read("BindProject", BIND | {"expectedAccount": "b"}).expects_payer


@pytest.mark.parametrize("reason", ("BECAUSE", "paymentFailure", "PAYMENT_FAILURE", "", 7, None, "PaymentFailure\n"))
def test_hold_reasons_outside_the_list(reason: object) -> None:
    assert broken("SuspendAccount", SUSPEND | {"reason": reason}) == [("Invalid", "/reason")]


@pytest.mark.parametrize("value", (1, 0, "true", "false", "", [], {}))
def test_a_dry_run_is_true_or_false(value: object) -> None:
    assert broken("BindProject", BIND | {"dryRun": value}) == [("Invalid", "/dryRun")]
    assert not command(structured("BindProject", BIND | {"dryRun": value})).dry_run


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("member", ("colour", "dry_run", "dryrun", "DryRun", "", "account ", "__class__", "a/b~c"))
def test_an_unknown_member_refuses_the_command(name: str, member: str) -> None:
    escaped = member.replace("~", "~0").replace("/", "~1")
    for value in ("red", None, {}, {"deeper": "still"}):
        assert broken(name, COMPLETE[name] | {member: value}) == [("Invalid", f"/{escaped}")]


def test_members_of_other_commands_are_unknown() -> None:
    assert broken("BindProject", BIND | {"paymentProfile": "card-1"}) == [("Invalid", "/paymentProfile")]
    assert broken("AttachPaymentProfile", ATTACH | {"expectedAccount": None}) == [("Invalid", "/expectedAccount")]


def test_all_that_is_wrong_is_named() -> None:
    data = {
        "organization": "acme",
        "account": "A",
        "currencyCode": "usd",
        "paymentTerms": {"netDays": 0, "x": 1},
        "y": CARD,
    }
    assert sorted(broken("CreateAccount", data)) == [
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
    assert [reason for reason, _ in broken("BindProject", BIND | data)] == ["Invalid"]
