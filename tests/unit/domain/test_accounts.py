"""The account commands, and what accounts tell of themselves (docs/contract.md sections 4, 5 and 7)."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.state import AccountContact, PhaseEntered
from schemas.contact import Contact
from schemas.events import AccountChanged, AccountPhaseChanged, Phase
from schemas.policy import OperatorPolicy
from tests.unit.domain.building import MICROSECOND, NOON, READY, Desk, bound_desk, ready_desk


def _history(desk: Desk, account: str = "a") -> list[PhaseEntered]:
    return [entered for entered in desk.book.changed.phases if entered.account == account]


def _archived() -> Desk:
    desk = ready_desk()
    known = desk.book.account("acme", "a")
    assert known is not None
    desk.book.load([replace(known, phase=Phase.ARCHIVED)])
    return desk


def test_an_account_that_lacks_configuration() -> None:
    said = Desk().create(displayName="Lab")
    assert (said.outcome, said.result.account) == ("Applied", "a")
    assert said.told == ["AccountPhaseChanged", "AccountChanged"]
    phase = said.one(AccountPhaseChanged)
    assert (phase.previous_phase, phase.phase, phase.reason) == (None, "Provisioning", "Created")
    assert (said.account.display_name, said.account.phase, said.account.activated_at) == ("Lab", "Provisioning", None)
    assert said.account.conditions[-1].reason == "ConfigurationMissing"


def test_every_account_starts_in_provisioning_even_when_ready_at_once() -> None:
    desk = Desk()
    desk.profile()
    said = desk.create(**READY)
    assert said.phases == ["Provisioning", "Ready"]
    assert [(p.previous_phase, p.reason) for p in said.all(AccountPhaseChanged)] == [
        (None, "Created"),
        ("Provisioning", "RequirementsMet"),
    ]
    assert [one.time for one in said.outgoing[:3]] == [NOON, NOON + MICROSECOND, NOON + 2 * MICROSECOND]
    assert [one.sequence for one in said.outgoing] == [1, 2, 3, None]
    assert said.account.activated_at == NOON + MICROSECOND


def test_history_says_from_where_to_where_by_whom_and_why() -> None:
    desk = Desk()
    desk.profile()
    desk.create(**READY)
    desk.now += timedelta(hours=1)
    desk.command(
        "SuspendAccount", {"id": "stop", "authid": "bob"}, account="a", reason="Administrative", message="audit"
    )
    lines = [(h.number, h.previous_phase, h.phase, h.reason, h.by, h.caused_by) for h in _history(desk)]
    assert lines == [
        (1, None, "Provisioning", "Created", "alice", "m-2"),
        (2, "Provisioning", "Ready", "RequirementsMet", "alice", "m-2"),
        (3, "Ready", "Suspended", "Administrative", "bob", "stop"),
    ]
    assert [h.entered_at for h in _history(desk)] == [NOON, NOON + MICROSECOND, NOON + timedelta(hours=1)]
    assert _history(desk)[-1].message == "audit"


@pytest.mark.parametrize("desk", (ready_desk(), bound_desk(), _archived()), ids=["ready", "bound", "archived"])
def test_names_are_never_used_again(desk: Desk) -> None:
    said = desk.create("a", **READY)
    assert (said.outcome, said.reasons, said.told) == ("Rejected", ["AccountExists"], [])


def test_a_name_belongs_to_its_organization() -> None:
    desk = ready_desk()
    assert desk.create("a", organization="beta").outcome == "Applied"


def test_commands_about_an_absent_account() -> None:
    desk = Desk()
    for said in (desk.attach(), desk.suspend()):
        assert (said.reasons, said.told) == (["AccountNotFound"], [])
        assert said.result.violations[0].retryable


def test_an_archived_account_refuses_everything_with_one_reason() -> None:
    desk = _archived()
    desk.profile(payment_profile="debit-1", kind="DirectDebit")
    for said in (desk.attach(), desk.attach("debit-1"), desk.suspend(), desk.bind()):
        assert (said.reasons, said.told) == (["AccountArchived"], [])


@pytest.mark.parametrize(
    ("beside", "outcome"),
    (({}, "Applied"), ({"expectedVersion": None}, "Applied"), ({"dryRun": None}, "Applied"),
     ({"expectedVersion": 1}, "Rejected"), ({"displayName": None}, "Rejected")),
)  # fmt: skip
def test_of_an_archived_account_the_contact_alone_can_be_erased(beside: dict[str, Any], outcome: str) -> None:
    """A `null` counts as something said only where it has a meaning."""
    desk = _archived()
    account = desk.book.account("acme", "a")
    assert account is not None
    desk.book.look_up(contacts={account.key})
    contact = Contact(name="Ada", emails=("ada@example.org",))
    desk.book.apply([AccountContact(organization="acme", account="a", contact=contact)])
    said = desk.command("UpdateAccount", account="a", contact=None, **beside)
    assert said.outcome == outcome
    assert (desk.book.contact(account) is None) == (outcome == "Applied")


def test_facts_move_no_archived_account() -> None:
    desk = _archived()
    said = desk.profile("Invalid", 2)
    assert [event.account for event in said.all(AccountChanged)] == ["b"]
    assert desk.phase("a") is Phase.ARCHIVED


def test_a_known_profile_that_is_not_allowed_is_refused_and_an_unknown_one_is_not() -> None:
    desk = ready_desk()
    desk.profile(payment_profile="debit-1", kind="DirectDebit")
    assert desk.attach("debit-1").reasons == ["UnsupportedPaymentProfile"]
    assert desk.create("c", paymentProfile="debit-1").reasons == ["UnsupportedPaymentProfile"]
    assert desk.create("a", paymentProfile="debit-1").reasons == ["AccountExists", "UnsupportedPaymentProfile"]
    assert desk.attach("debit-1", "ghost").reasons == ["AccountNotFound", "UnsupportedPaymentProfile"]
    assert desk.attach("card-9").outcome == "Applied"
    assert desk.phase() is Phase.INCOMPLETE


def test_the_operator_allows_more() -> None:
    desk = Desk(OperatorPolicy(payment_profile_kinds=frozenset({"DirectDebit"})))
    desk.profile(payment_profile="debit-1", kind="DirectDebit")
    assert desk.create(**READY | {"paymentProfile": "debit-1"}).phases == ["Provisioning", "Ready"]


def test_a_profile_replaces_the_attached_one() -> None:
    desk = ready_desk()
    desk.profile(payment_profile="card-2")
    said = desk.attach("card-2")
    assert (said.outcome, said.told) == ("Applied", ["AccountChanged"])
    assert (said.account.payment_profile, said.account.phase) == ("card-2", "Ready")
    # Only the one attached now counts.
    assert [event.account for event in desk.profile("Invalid", 2).all(AccountChanged)] == ["b"]
    assert [event.account for event in desk.profile("Invalid", 2, "card-2").all(AccountChanged)] == ["a"]


def test_the_attached_profile_again_is_no_change() -> None:
    said = ready_desk().attach()
    assert (said.outcome, said.told) == ("Unchanged", [])


def test_one_profile_serves_several_accounts() -> None:
    said = bound_desk().profile("Invalid", 2)
    assert [(one.subject, one.event.name()) for one in said.outgoing] == [
        ("acme/a", "AccountPhaseChanged"),
        ("acme/a", "AccountChanged"),
        ("acme/p1", "ProjectBillingNotice"),
        ("acme/b", "AccountPhaseChanged"),
        ("acme/b", "AccountChanged"),
    ]


def test_a_profile_counts_from_the_moment_it_is_known() -> None:
    desk = Desk()
    desk.create(**READY)
    assert desk.phase() is Phase.INCOMPLETE
    said = desk.profile()
    assert (said.phases, said.told) == (["Ready"], ["AccountPhaseChanged", "AccountChanged"])
    assert (said.account.cause.fact_id, said.account.cause.command_id, said.account.cause.by) == ("m-2", None, "alice")


def test_losing_and_gaining_the_profile_moves_there_and_back() -> None:
    desk = ready_desk()
    activated = desk.book.account("acme", "a")
    assert activated is not None
    moves = [("Invalid", 2, "Incomplete", "PaymentProfileInvalid"), ("Valid", 3, "Ready", "RequirementsMet"),
             ("Removed", 4, "Incomplete", "PaymentProfileRemoved")]  # fmt: skip
    for state, version, phase, reason in moves:
        told = desk.profile(state, version).all(AccountPhaseChanged)
        assert {(event.phase, event.reason) for event in told} == {(phase, reason)}
    known = desk.book.account("acme", "a")
    assert known is not None
    assert known.activated_at == activated.activated_at


def test_what_changes_no_status_and_no_reason_changes_no_account() -> None:
    desk = ready_desk()
    assert desk.profile(version=2, reference="other").told == []
    assert desk.profile("Invalid", 3).phases == ["Incomplete", "Incomplete"]
    assert desk.profile("Invalid", 4, reason="again").told == []
    # Another reason for the same phase is a change of the account, not of the phase.
    assert desk.profile("Removed", 5).told == ["AccountChanged", "AccountChanged"]


def test_a_hold_suspends_the_account() -> None:
    desk = bound_desk()
    desk.now += timedelta(minutes=1)
    said = desk.command("SuspendAccount", {"authid": "erin"}, account="a", reason="PaymentFailure", message="ticket 12")
    phase = said.one(AccountPhaseChanged)
    assert (phase.previous_phase, phase.phase, phase.reason, phase.message) == (
        "Ready",
        "Suspended",
        "PaymentFailure",
        "ticket 12",
    )
    assert phase.holds == said.account.holds
    (hold,) = phase.holds
    assert (hold.reason, hold.message, hold.by, hold.placed_at, hold.reactivation) == (
        "PaymentFailure", "ticket 12", "erin", desk.now, None,
    )  # fmt: skip
    assert phase.cause.by == "erin"
    assert desk.payer() == "a"


def test_the_same_hold_again_changes_nothing_whatever_its_message() -> None:
    desk = ready_desk()
    desk.suspend(message="first")
    said = desk.suspend(message="second")
    assert (said.outcome, said.told, said.result.account) == ("Unchanged", [], "a")


def test_a_second_hold_changes_the_account_and_tells_no_project() -> None:
    desk = bound_desk()
    desk.suspend()
    said = desk.suspend(reason="ComplianceViolation")
    assert (said.outcome, said.told) == ("Applied", ["AccountChanged"])
    assert [hold.reason for hold in said.account.holds] == ["PaymentFailure", "ComplianceViolation"]


def test_a_profile_under_a_hold_is_no_reactivation() -> None:
    desk = bound_desk()
    desk.suspend()
    for said in (desk.profile("Invalid", 2), desk.profile("Valid", 3), desk.attach("card-9")):
        assert "AccountPhaseChanged" not in [one.event.name() for one in said.outgoing if one.subject == "acme/a"]
        assert said.notices == []
        changed = [event for event in said.all(AccountChanged) if event.account == "a"]
        assert [(event.phase, len(event.holds)) for event in changed] == [("Suspended", 1)]


def test_a_condition_remembers_when_its_status_changed() -> None:
    desk = Desk()
    desk.create(**READY)

    def since() -> dict[str, int]:
        account = desk.book.account("acme", "a")
        assert account is not None
        return {c.type: (c.last_transition_time - NOON) // timedelta(hours=1) for c in account.conditions}

    assert since() == {"ConfigurationValid": 0, "PaymentProfileValid": 0, "NoHolds": 0, "Ready": 0}
    desk.now = NOON + timedelta(hours=1)
    desk.profile("Invalid")  # another reason, the same status
    assert since() == {"ConfigurationValid": 0, "PaymentProfileValid": 0, "NoHolds": 0, "Ready": 0}
    desk.now = NOON + timedelta(hours=2)
    desk.profile("Valid", 2)
    assert since() == {"ConfigurationValid": 0, "PaymentProfileValid": 2, "NoHolds": 0, "Ready": 2}
    desk.now = NOON + timedelta(hours=3)
    desk.suspend()
    assert since() == {"ConfigurationValid": 0, "PaymentProfileValid": 2, "NoHolds": 3, "Ready": 3}
    desk.now = NOON + timedelta(hours=4)
    desk.suspend(reason="Administrative")
    assert since() == {"ConfigurationValid": 0, "PaymentProfileValid": 2, "NoHolds": 3, "Ready": 3}


def test_versions_rise_by_one_and_events_are_numbered_without_a_hole() -> None:
    desk = Desk()
    said = [desk.create(**READY), desk.profile(), desk.suspend(), desk.suspend(reason="Administrative"), desk.bind()]
    changed = [event for one in said for event in one.all(AccountChanged)]
    assert [event.version for event in changed] == [1, 2, 3, 4]
    numbered = [one.sequence for each in said for one in each.outgoing if one.subject == "acme/a"]
    assert numbered == list(range(1, len(numbered) + 1))


def test_instants_of_an_account_rise_even_when_the_clock_steps_back() -> None:
    desk = Desk()
    times: list[datetime] = []
    for step in (0, 0, -3600, -1, -7200):
        desk.now = NOON + timedelta(seconds=step)
        said = desk.create(**READY) if not times else desk.attach(f"card-{len(times)}")
        times += [one.time for one in said.outgoing if one.subject == "acme/a"]
    assert len(times) == 3 + 4
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert [h.entered_at for h in _history(desk)] == sorted(h.entered_at for h in _history(desk))


def test_a_binding_changes_no_account() -> None:
    desk = ready_desk()
    before = desk.book.account("acme", "a")
    desk.bind()
    assert desk.book.account("acme", "a") == before


def test_a_profile_has_run_out_before_what_is_said_even_if_no_timer_has_noticed() -> None:
    desk = Desk()
    desk.profile(expiresAt=(NOON + timedelta(hours=1)).isoformat())
    desk.create(**READY)
    assert desk.suspend().outcome == "Applied"
    desk.now += timedelta(hours=1)
    said = desk.suspend()
    assert (said.told, said.outcome) == (["AccountChanged"], "Unchanged")
    assert "PaymentProfileExpired" in {condition.reason for condition in said.account.conditions}
    assert (said.account.cause.fact_id, said.account.cause.command_id) == ("m-1", None)
    assert desk.suspend().told == []
