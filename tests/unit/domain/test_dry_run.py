"""A dry run answers what would happen, and changes and publishes nothing else (docs/contract.md section 5)."""

from dataclasses import asdict
from typing import Any

import pytest

from tests.unit.domain.building import READY, Desk, bound_desk

COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("CreateAccount", {"account": "new", **READY}),
    ("CreateAccount", {"account": "new"}),
    ("CreateAccount", {"account": "a"}),
    ("AttachPaymentProfile", {"account": "a", "paymentProfile": "card-9"}),
    ("AttachPaymentProfile", {"account": "a", "paymentProfile": "card-1"}),
    ("AttachPaymentProfile", {"account": "ghost", "paymentProfile": "card-1"}),
    ("SuspendAccount", {"account": "a", "reason": "PaymentFailure"}),
    ("SuspendAccount", {"account": "b", "reason": "PaymentFailure"}),
    ("SuspendAccount", {"account": "a", "reason": "Whim"}),
    ("BindProject", {"project": "p1", "account": "b"}),
    ("BindProject", {"project": "p2", "account": "a"}),
    ("BindProject", {"project": "p1", "account": "a"}),
    ("BindProject", {"project": "ghost", "account": "ghost", "expectedAccount": None}),
    ("BindProject", {"project": "p1", "account": "b", "reason": "4111111111111111"}),
    ("Frobnicate", {"account": "a"}),
]


_OF_THE_ONE = ("dry_run", "binding_id", "command_id")


def _comparable(said: Any) -> dict[str, Any]:
    return {name: said for name, said in asdict(said.result).items() if name not in _OF_THE_ONE}


@pytest.mark.parametrize(("name", "members"), COMMANDS)
def test_a_dry_run_says_what_the_command_would(name: str, members: dict[str, Any]) -> None:
    desk = bound_desk()
    before = desk.memory()
    dry = desk.command(name, dryRun=True, **members)
    assert desk.memory() == before
    assert dry.result.dry_run
    assert len(dry.outgoing) == len(dry.folded.unclaimed) == 1
    assert (dry.folded.claims, dry.folded.dead) == ({}, {})
    wet = desk.command(name, **members)
    assert not wet.result.dry_run
    assert _comparable(dry) == _comparable(wet)


@pytest.mark.parametrize("account", ("a", "b"))
def test_a_dry_run_tells_no_binding(account: str) -> None:
    assert bound_desk().bind(account=account, dryRun=True).result.binding_id is None


def test_a_dry_run_needs_a_sender_too() -> None:
    said = Desk().command("CreateAccount", {"authid": None}, account="a", dryRun=True)
    assert said.reasons == ["Unauthenticated"]
