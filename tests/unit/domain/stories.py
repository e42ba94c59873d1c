"""Stories that chance rarely tells: of successors, of many who are told, of the end of an account, of queues."""

from datetime import timedelta
from typing import Any

from tests.unit.domain.building import NOON, READY

PROJECTS = ("p1", "p2", "p3", "p4")
CONTACT = {"name": "Ada", "emails": ["ada@example.com"]}

Said = tuple[str, dict[str, Any], dict[str, Any]]
"""A message's name, data and changed attributes; its number stands for its id where none is given.

`Later` says that seconds pass.
"""


def instant(seconds: int) -> str:
    """Return the instant that many seconds after noon, when each story begins."""
    return (NOON + timedelta(seconds=seconds)).isoformat()


def _is_ready(*accounts: str) -> list[Said]:
    profile = {"paymentProfile": "card-1", "kind": "CreditCard", "state": "Valid", "version": 1}
    return [
        ("PaymentProfileChanged", profile, {}),
        *(("CreateAccount", {"account": account, **READY}, {}) for account in accounts),
    ]


def _is_active(*projects: str) -> list[Said]:
    report = {"state": "Active", "version": 1, "uid": "u-1"}
    return [("ProjectChanged", {"project": project, **report}, {}) for project in projects]


def _bind(project: str, account: str, **members: Any) -> Said:
    return ("BindProject", {"project": project, "account": account, **members}, {})


def _of(name: str, by: str = "alice", **members: Any) -> Said:
    return (name, {"account": "a", **members}, {"authid": by})


def _later(seconds: int) -> Said:
    return ("Later", {"seconds": seconds}, {})


def _p1(state: str, version: int, uid: str) -> Said:
    return ("ProjectChanged", {"project": "p1", "state": state, "version": version, "uid": uid}, {})


# What most stories begin with: two Ready accounts and Active projects, some of them bound.
OPENING: list[Said] = [*_is_ready("a", "b"), *_is_active("p1", "p2"), _bind("p1", "a")]
CROWD: list[Said] = [
    *_is_ready("a", "b"), *_is_active("p1", "p2", "p3", "p4"), *(_bind(project, "a") for project in PROJECTS),
]  # fmt: skip
# A scheduled binding falls due just before a dry run is read.
DUE_FIRST: list[Said] = [*OPENING, _bind("p1", "b", effectiveAt=instant(2)), _bind("p1", "a", dryRun=True)]
# A successor under the name, the old uid again, a deletion, and a life after it.
SUCCESSION: list[Said] = [
    *OPENING,
    _p1("Active", 1, "u-2"),
    _p1("Active", 9, "u-1"),
    _bind("p1", "b"),
    _p1("Deleted", 2, "u-2"),
    _p1("Active", 3, "u-2"),
    _bind("p1", "a"),
    ("AttachPaymentProfile", {"account": "a", "paymentProfile": "card-2"}, {}),
]
# The deletion of a stranger is stale; after that of the present one it would be news.
STRANGER: list[Said] = [*OPENING, _p1("Deleted", 5, "u-2"), _p1("Deleted", 2, "u-1")]
# Many are told by and by: some leave before, and the account turns again.
FANNED_OUT: list[Said] = [
    *CROWD,
    _of("SuspendAccount", reason="PaymentFailure"),
    _bind("p4", "b"),
    ("TransferProjects", {"fromAccount": "a", "toAccount": "b", "projects": ["p2"]}, {}),
    _of("RequestReactivation", resolution="paid"),
    _of("ApproveReactivation", by="bob"),
    _bind("p4", "a"),
    _bind("p3", "b"),
    _bind("p3", "a"),
    _bind("p3", "b"),
    _later(1),
    _of("DetachPaymentProfile"),
    ("ProjectChanged", {"project": "p1", "state": "Deleted", "version": 2}, {}),
    _of("SuspendAccount", reason="Administrative"),
]
# A few are left to be told of a later turn, before they were told of the first.
FEW_LEFT: list[Said] = [
    *CROWD,
    _of("SuspendAccount", reason="PaymentFailure"),
    ("TransferProjects", {"fromAccount": "a", "toAccount": "b", "projects": ["p1", "p2", "p3"]}, {}),
    _of("RequestReactivation", resolution="paid"),
    _of("ApproveReactivation", by="bob"),
]
# An account is closed by two people, once nothing blocks it, and the default goes with it.
CLOSED: list[Said] = [
    *CROWD,
    _of("SetDefaultAccount"),
    _of("RequestClosure"),
    ("TransferProjects", {"fromAccount": "a", "toAccount": "b"}, {}),
    ("TransferProjects", {"fromAccount": "a", "toAccount": "b", "projects": ["p1"]}, {}),
    ("TransferProjects", {"fromAccount": "a", "toAccount": "b"}, {}),
    _of("ReportBalance", outstanding="0", currencyCode="USD", asOf=instant(-5)),
    _of("RequestClosure"),
    _of("ReportBalance", outstanding="0", currencyCode="USD", asOf=instant(1)),
    _of("RequestClosure"),
    _of("ApproveClosure"),
    _of("ApproveClosure", by="bob"),
    _of("UpdateAccount", contact=None),
    _bind("p1", "a", waitSeconds=20),
]
# A contact is kept apart from its account, and a change of it is one of the account.
CONTACTS: list[Said] = [
    *_is_ready("b"),
    ("CreateAccount", {"account": "a", "contact": CONTACT}, {}),
    *(_of("UpdateAccount", contact=contact) for contact in (CONTACT, {**CONTACT, "name": "Bea"}, None, None)),
]
# What waits, in a queue, is served once the last that is missing has come; what is due comes between.
SERVED: list[Said] = [
    _bind("p1", "a", waitSeconds=20),
    _bind("p1", "b", effectiveAt=instant(40)),
    _bind("p1", "b"),
    *_is_ready("b", "a"),
    _later(10),
    ("SetDefaultAccount", {"account": "b"}, {}),
    *_is_active("p1", "p2"),
    _bind("p2", "a", effectiveAt=instant(15)),
    ("PaymentProfileChanged", {"paymentProfile": "card-1", "kind": "CreditCard", "state": "Valid", "version": 2,
                               "expiresAt": instant(40)}, {}),
    _later(10),
    _bind("p3", "a", waitSeconds=5),
    _later(30),
    *_is_active("p3"),
]  # fmt: skip
