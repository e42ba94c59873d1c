"""A record of each stored kind; mostly two: one with every member and odd texts, one as small as possible."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.needs import Needs
from domain.state import Account, Balance, Binding, FanOut, Origin, PaymentProfile, PendingBinding, Project, RetiredUid
from schemas.commands import BindProject
from schemas.contact import AccountingContact, Address, Contact
from schemas.events import Closure, Condition, Hold, NoticeKind, Phase, PhaseReason, Reactivation
from schemas.preferences import EInvoicing, Preferences, TaxRegistration
from schemas.terms import EarlyPaymentDiscount, LatePaymentPenalty, PaymentTerms

NOW = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)
LATER = NOW + timedelta(microseconds=1)
BARE = Account(organization="acme", account="bare", version=1, phases=1, sequence=2)
FULL = Account(
    organization="acme",
    account="full",
    version=2**62,
    phases=2**31 - 1,
    sequence=2**63 - 1,
    phase=Phase.SUSPENDED,
    conditions=(
        Condition(
            type="Ready",
            status="False",
            reason=PhaseReason.PAYMENT_FAILURE,
            message="'\"\\ é",
            last_transition_time=NOW,
        ),
    ),
    display_name='Zoë\'s \\ {accounts}, "NULL" 🙂',
    currency_code="EUR",
    payment_terms=PaymentTerms(
        net_days=60,
        invoice_frequency="Quarterly",
        invoice_day_of_month=28,
        early_payment_discount=EarlyPaymentDiscount(percent=Decimal("2.500001"), within_days=10),
        late_payment_penalty=LatePaymentPenalty(annual_percent=Decimal(0), grace_days=3),
    ),
    payment_profile="card",
    holds=(
        Hold(reason="PaymentFailure", message=None, by="alice", placed_at=NOW),
        Hold(
            reason="Administrative",
            message="see 4711",
            by="bob",
            placed_at=LATER,
            reactivation=Reactivation(by="carol", resolution="paid", requested_at=LATER),
        ),
    ),
    closure=Closure(by="dave", reason=None, requested_at=NOW),
    activated_at=NOW - timedelta(days=400),
    preferences=Preferences(
        tax_registrations=(TaxRegistration(country="DE", number="136695976"),),
        invoice_language="de-CH",
        invoice_format="PdfWithXml",
        e_invoicing=EInvoicing(standard="PeppolBis3", address="0204:991-1234512345-06"),
        data_residency="Eu",
    ),
    balance=Balance(outstanding=Decimal("-123456789012.345678"), currency_code="EUR", as_of=NOW),
)
ORIGIN = Origin(caused_by="f 1", sender="/rm/é", passed_on={"correlationid": 'a "b"', "traceparent": "00-1"})
PROJECT = Project(
    organization="acme", project="web", state="Active", version=1, number=1, account="full", payer_since=NOW
)
DELETED = Project(
    organization="acme",
    project="old",
    state="Deleted",
    version=2**63 - 1,
    uid="u-1",
    display_name="",
)
PROFILES = [
    PaymentProfile(
        organization="acme", payment_profile="card", kind="CreditCard", state="Valid", version=1, origin=ORIGIN
    ),
    PaymentProfile(
        organization="acme",
        payment_profile="debit",
        kind="DirectDebit",
        state="Invalid",
        version=9,
        reference="tok_1",
        country="DE",
        expires_at=datetime(2030, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        reason="bounced",
        due_at=LATER,
        origin=Origin(caused_by="", sender=""),
    ),
]
BINDING = Binding(organization="acme", project="web", number=1, account="full", from_instant=NOW)
CONTACT = Contact(
    name="Zoë",
    emails=("zoë@example.com", "z@example.org"),
    phone="+41445550100",
    address=Address(line1="1", line2="2", postal_code="8000", city="Zürich", country="CH"),
    accounting_contact=AccountingContact(name="Bea", emails=("b@example.com",)),
    language="de-CH",
)
RETIRED = RetiredUid(organization="acme", project="web", uid="u-0")
FAN_OUT = FanOut(
    organization="acme",
    account="full",
    number=1,
    kind=NoticeKind.ACCOUNT_NOT_READY,
    reason=PhaseReason.PAYMENT_PROFILE_EXPIRED,
    message="é",
    instant=NOW,
    origin=ORIGIN,
)
NEEDS = Needs(
    accounts={("acme", "bare"), ("acme", "full"), ("acme", "none"), ("globex", "full")},
    turning={("acme", "full")},
    projects={("acme", "web"), ("acme", "old"), ("globex", "web")},
    uids={("acme", "web", "u-0"), ("acme", "web", "u-1")},
    payment_profiles={("acme", "card"), ("acme", "debit")},
    organizations={"acme", "globex", "none"},
    contacts={("acme", "full"), ("acme", "bare")},
    boundaries={"acme"},
)


def pending_binding(number: int = 1, **members: Any) -> PendingBinding:
    """Return a binding of `web` to `full`: scheduled if it has an instant, waiting otherwise."""
    command = BindProject(organization="acme", project="web", account="full", reason="é", **members)
    return PendingBinding(
        organization="acme",
        project="web",
        number=number,
        kind="Scheduled" if "effective_at" in members else "Waiting",
        due_at=NOW,
        command=command,
        source="/source/é",
        type="io.milo.billing.BindProject.v1",
        origin=ORIGIN,
    )
