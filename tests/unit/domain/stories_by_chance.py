"""Stories as chance tells them: anything that can be said, about a few names that come again and again."""

from typing import Any

from hypothesis import strategies as st

from tests.unit.domain.stories import CONTACT, CROWD, OPENING, PROJECTS, instant

ORGANIZATIONS = ("acme", "beta")
ACCOUNTS = ("a", "b", "c")
PROFILES = ("card-1", "card-2")


def _one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


# Most of it happens in one organization; some ids come again, some for their answer, and now and then nobody asks, or
# the other of two.
ORGANIZATION = st.sampled_from((*ORGANIZATIONS[:1] * 8, *ORGANIZATIONS))
SENDERS = st.sampled_from(
    (
        *({},) * 8,
        *({"authid": "bob"},) * 5,
        {"authid": None},
        {"expirytime": "2020-01-01T00:00:00Z"},
        {"id": "c-1"},
        {"id": "c-2"},
        {"id": "c-2", "authid": "bob"},
        {"id": "c-1", "authid": "Alice "},
        {"id": "c-1", "answer": "again"},
        {"id": "c-2", "answer": "again", "authid": "BOB"},
    )
)


def _say(name: str, optional: dict[str, st.SearchStrategy[Any]] | None = None, **members: Any) -> Any:
    data = st.fixed_dictionaries({"organization": ORGANIZATION, **members}, optional=optional or {})
    return st.tuples(st.just(name), data, st.just({}) if name.endswith("Changed") else SENDERS)


ACCOUNT, PROJECT, PROFILE = _one_of(*ACCOUNTS), _one_of(*PROJECTS), _one_of(*PROFILES)
VERSION = st.integers(1, 6)
DRY = {"dryRun": _one_of(False, False, True)}
REASON = _one_of("PaymentFailure", "Administrative", "Whim")
REASONS = {"reasons": _one_of(None, ["PaymentFailure"], ["Administrative", "PaymentFailure"], []), **DRY}
SOON = _one_of(*map(instant, (-5, 5, 15, 40)))
TERMS = _one_of(None, {}, {"netDays": 60}, {"netDays": None, "invoiceFrequency": "Annual"}, {"netDays": 0})

binding = _say("BindProject", {"expectedAccount": _one_of(None, *ACCOUNTS), **DRY}, project=PROJECT, account=ACCOUNT)
scheduling = _say("BindProject", DRY, project=PROJECT, account=ACCOUNT, effectiveAt=SOON)
waiting = _say("BindProject", DRY, project=PROJECT, account=ACCOUNT, waitSeconds=_one_of(5, 20))
project_fact = _say(
    "ProjectChanged",
    {"uid": _one_of("u-1", "u-2", "u-3")},
    project=PROJECT,
    state=_one_of("Active", "Active", "Inactive", "Deleted"),
    version=VERSION,
)
profile_fact = _say(
    "PaymentProfileChanged",
    {"expiresAt": SOON},
    paymentProfile=PROFILE,
    kind=_one_of("CreditCard", "CreditCard", "CreditCard", "Invoice"),
    state=_one_of("Valid", "Valid", "Valid", "Invalid", "Invalid", "Removed"),
    version=VERSION,
)
suspension = _say("SuspendAccount", DRY, account=ACCOUNT, reason=REASON)
request = _say("RequestReactivation", REASONS, account=ACCOUNT, resolution=st.just("paid"))
approval = _say("ApproveReactivation", REASONS, account=ACCOUNT)
transfer = _say(
    "TransferProjects",
    {"projects": _one_of(["p1"], ["p2", "p1"], ["p1", "p2", "p3", "p4"]), **DRY},
    fromAccount=ACCOUNT,
    toAccount=ACCOUNT,
)
later = st.tuples(st.just("Later"), st.fixed_dictionaries({"seconds": _one_of(0, 1, 10, 30)}), st.just({}))
messages = st.one_of(
    *(binding, scheduling, waiting, project_fact, profile_fact, suspension, transfer, later) * 2,
    request,
    approval,
    _say(
        "CreateAccount",
        {"paymentProfile": PROFILE, "contact": st.just(CONTACT), **DRY},
        account=ACCOUNT,
        currencyCode=st.just("USD"),
        paymentTerms=st.just({}),
    ),
    _say("CreateAccount", account=ACCOUNT),
    _say(
        "UpdateAccount",
        {
            "displayName": _one_of(None, "Lab"),
            "currencyCode": _one_of(None, "USD", "CHF"),
            "paymentTerms": TERMS,
            "contact": _one_of(None, CONTACT, CONTACT | {"name": "Bea"}),
            "expectedVersion": VERSION,
            **DRY,
        },
        account=ACCOUNT,
    ),
    _say("AttachPaymentProfile", DRY, account=ACCOUNT, paymentProfile=PROFILE),
    _say("DetachPaymentProfile", DRY, account=ACCOUNT),
    _say(
        "ReportBalance",
        DRY,
        account=ACCOUNT,
        outstanding=_one_of("0", "0", "12.50"),
        currencyCode=st.just("USD"),
        asOf=SOON,
    ),
    _say("RequestClosure", DRY, account=ACCOUNT),
    _say("ApproveClosure", DRY, account=ACCOUNT),
    _say("WithdrawClosure", DRY, account=ACCOUNT),
    _say("CancelScheduledBinding", DRY, project=PROJECT),
    _say("SetDefaultAccount", DRY, account=_one_of(None, *ACCOUNTS)),
    st.just(("Dead", {}, {})),
)
stories = st.builds(
    lambda opening, rest: [*opening, *rest],
    st.sampled_from((OPENING, CROWD, CROWD, [])),
    st.lists(messages, min_size=1, max_size=25),
)
cuttings = st.sets(st.integers(1, 36))
