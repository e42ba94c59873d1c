"""The members of each event and result, as they are told (docs/contract.md sections 6 and 7)."""

from dataclasses import replace

from schemas.events import (
    AccountChanged,
    AccountPhaseChanged,
    Cause,
    Condition,
    Hold,
    NoticeKind,
    Phase,
    PhaseReason,
    ProjectBillingNotice,
)
from schemas.results import (
    CommandCompleted,
    DeadLetter,
    HeaderCopy,
    Outcome,
    Reason,
    violation,
)
from tests.unit.schemas.going_out import BOUND, NOON, members, outgoing


def test_what_the_contract_marks_optional_is_left_out_and_all_else_is_null() -> None:
    released = replace(BOUND, current=None, cause=Cause(fact_id="f-1", by="/rm"))
    data = members(outgoing(released))["data"]
    assert data["current"] is None
    assert data["cause"] == {"factId": "f-1", "by": "/rm"}


def test_an_account_as_it_is_told() -> None:
    hold = Hold(reason="PaymentFailure", message=None, by="bob", placed_at=NOON)
    condition = Condition(
        type="NoHolds", status="False", reason=PhaseReason.PAYMENT_FAILURE, message="m", last_transition_time=NOON
    )
    event = AccountChanged(
        organization="acme",
        account="a",
        display_name=None,
        phase=Phase.SUSPENDED,
        conditions=(condition,),
        holds=(hold,),
        currency_code=None,
        payment_terms=None,
        preferences=None,
        payment_profile=None,
        activated_at=None,
        version=3,
        closure=None,
        cause=Cause(command_id="c", by="bob"),
    )
    assert members(outgoing(event))["data"] == {
        "organization": "acme",
        "account": "a",
        "displayName": None,
        "phase": "Suspended",
        "conditions": [
            {
                "type": "NoHolds",
                "status": "False",
                "reason": "PaymentFailure",
                "message": "m",
                "lastTransitionTime": "2027-01-31T12:00:00.000000Z",
            },
        ],
        "holds": [
            {
                "reason": "PaymentFailure",
                "message": None,
                "by": "bob",
                "placedAt": "2027-01-31T12:00:00.000000Z",
                "reactivation": None,
            },
        ],
        "currencyCode": None,
        "paymentTerms": None,
        "preferences": None,
        "paymentProfile": None,
        "activatedAt": None,
        "version": 3,
        "closure": None,
        "cause": {"commandId": "c", "by": "bob"},
    }


def test_members_of_the_other_events() -> None:
    phase = AccountPhaseChanged(
        organization="acme",
        account="a",
        previous_phase=None,
        phase=Phase.PROVISIONING,
        reason=PhaseReason.CREATED,
        message="m",
        holds=(),
        cause=Cause(command_id="c", by="bob"),
    )
    notice = ProjectBillingNotice(
        organization="acme",
        project="p",
        account=None,
        kind=NoticeKind.PAYER_MISSING,
        reason="ProjectUnbound",
        message="m",
    )
    assert list(members(outgoing(phase))["data"]) == [
        "organization",
        "account",
        "previousPhase",
        "phase",
        "reason",
        "message",
        "holds",
        "cause",
    ]
    assert members(outgoing(notice))["data"]["account"] is None
    assert list(members(outgoing(notice))["data"]) == [
        "organization",
        "project",
        "account",
        "kind",
        "reason",
        "message",
    ]


def test_a_result_as_it_is_told() -> None:
    result = CommandCompleted(
        organization="acme",
        command_id="c",
        command_source="/s",
        command_type="t",
        dry_run=False,
        outcome=Outcome.REJECTED,
        violations=(violation(Reason.PROJECT_NOT_FOUND, "m", field="/project"), violation(Reason.EXPIRED, "n")),
        violation_count=2,
        events=(),
        event_count=0,
    )
    assert members(outgoing(result))["data"] == {
        "organization": "acme",
        "commandId": "c",
        "commandSource": "/s",
        "commandType": "t",
        "dryRun": False,
        "outcome": "Rejected",
        "violations": [
            {"reason": "ProjectNotFound", "message": "m", "field": "/project", "retryable": True},
            {"reason": "Expired", "message": "n", "retryable": False},
        ],
        "violationCount": 2,
        "events": [],
        "eventCount": 0,
    }


def test_a_dead_letter_as_it_is_told() -> None:
    letter = DeadLetter(
        source_topic="billing.projects",
        partition=3,
        offset=7,
        timestamp=NOON,
        reason="Tombstone",
        detail="d",
        key="a2V5",
        headers=(HeaderCopy(name="x", value=None),),
        value=None,
        size=0,
        sha256=None,
    )
    assert members(outgoing(letter))["data"] == {
        "topic": "billing.projects",
        "partition": 3,
        "offset": 7,
        "timestamp": "2027-01-31T12:00:00.000000Z",
        "reason": "Tombstone",
        "detail": "d",
        "key": "a2V5",
        "headers": [{"name": "x", "value": None}],
        "value": None,
        "size": 0,
        "sha256": None,
    }
