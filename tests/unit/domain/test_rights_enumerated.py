"""Every decision on who may do what: every command, role and reach of a grant, against a table written apart."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from domain.commands import RULES
from domain.rights import judged
from schemas.askers import Asker, Grant, Role, grants_of
from schemas.commands import COMMANDS
from tests.support.model.rights import NEEDED, lacking

ORGANIZATIONS = ("acme", "*", "other", "acm", "acme2")
IN_AND_OUT: dict[str, tuple[list[str] | None, ...]] = {
    "accounts": (None, ["main", "second"], ["ma*", "sec*"], ["*"], ["main-2", "mai", "secon"], ["main.*"]),
    "projects": (None, ["web"], ["w*"], ["we", "web2"]),
    "paymentProfiles": (None, ["card"], ["*"], ["car", "card-2"]),
}
"""For each kind of list: none, those that reach what the commands name, and those that do not."""

WEB, MAIN, CARD = {"project": "web"}, {"account": "main"}, {"paymentProfile": "card"}
SAID: dict[str, list[dict[str, Any]]] = {
    "CreateAccount": [MAIN, MAIN | CARD, MAIN | {"paymentProfile": None}, MAIN | {"paymentProfile": 7}, CARD],
    "UpdateAccount": [MAIN],
    "AttachPaymentProfile": [MAIN | CARD, MAIN],
    "DetachPaymentProfile": [MAIN],
    "RequestReactivation": [MAIN],
    "RequestClosure": [MAIN],
    "WithdrawClosure": [MAIN],
    "SetDefaultAccount": [MAIN, {"account": None}],
    "BindProject": [WEB | MAIN, WEB, MAIN, {"project": "web\n", "account": "Main"}],
    "CancelScheduledBinding": [WEB, {}],
    "TransferProjects": [{"fromAccount": "main", "toAccount": "second", "projects": ["web"]}],
    "SuspendAccount": [MAIN | {"reason": "PaymentFailure"}, MAIN | {"reason": "Administrative"}, MAIN],
    "ReportBalance": [MAIN],
    "ApproveReactivation": [MAIN],
    "ApproveClosure": [MAIN],
    "FrobnicateAccount": [MAIN],
}


def said() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every command, with its members in some forms."""
    return ((name, data) for name, forms in SAID.items() for data in forms)


def lists() -> list[dict[str, list[str]]]:
    """Return every combination of lists that a grant may have."""
    shapes = (dict(zip(IN_AND_OUT, shape, strict=True)) for shape in product(*IN_AND_OUT.values()))
    return [{kind: names for kind, names in shape.items() if names is not None} for shape in shapes]


def granted(role: str, organization: str, lists_: dict[str, list[str]]) -> tuple[dict[str, Any], Grant]:
    """Return a grant, as a token says it and as it is read."""
    claim = {"organization": organization, "role": role, **lists_}
    (grant,), ignored = grants_of([claim])
    assert ignored == 0
    return claim, grant


def check(name: str, data: dict[str, Any], *grants: tuple[dict[str, Any], Grant]) -> None:
    """Insist that what is missing is what the table says, and that the log learns which roles allowed it."""
    asker = Asker("alice", "https://login.example", tuple(grant for _, grant in grants))
    rights = RULES[COMMANDS[name]].rights if name in COMMANDS else None
    missing, used = judged(asker, "acme", rights, data)
    expected = lacking(name, data, "acme", [claim for claim, _ in grants])
    assert [one.field for one in missing] == [f"/{member}" for member, _ in expected], (name, data, grants)
    assert all(role in one.message for one, (_, role) in zip(missing, expected, strict=True))
    assert set(used) <= {claim["role"] for claim, _ in grants}
    assert bool(used) is bool(len(expected) < sum(1 for _ in _needed(name, data)))


def _needed(name: str, data: dict[str, Any]) -> list[tuple[str, str]]:
    return lacking(name, data, "acme", [])


def test_the_table_knows_every_command() -> None:
    assert NEEDED.keys() == COMMANDS.keys()
    assert SAID.keys() - {"FrobnicateAccount"} == COMMANDS.keys()


@pytest.mark.parametrize("role", Role)
def test_one_grant(role: Role) -> None:
    everywhere = [granted(role, organization, one) for organization in ORGANIZATIONS for one in lists()]
    for name, data in said():
        for grant in everywhere:
            check(name, data, grant)


@pytest.mark.parametrize(("name", "data"), [one for one in said() if len(_needed(*one)) == 2])
def test_one_right_of_two_is_missing(name: str, data: dict[str, Any]) -> None:
    narrow: list[dict[str, list[str]]] = [{}, *({kind: ["*"]} for kind in IN_AND_OUT), {"accounts": ["main"]}]
    some = [granted(role, org, one) for role in Role for org in ("acme", "other") for one in narrow]
    for grants in product(some, repeat=2):
        check(name, data, *grants)


def test_nobody_who_has_no_role_may_do_anything() -> None:
    for name, data in said():
        check(name, data)
