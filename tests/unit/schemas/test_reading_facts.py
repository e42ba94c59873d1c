"""Facts are read tolerantly, and what is no fact becomes a dead letter (docs/contract.md sections 2, 3 and 6)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.facts import AnyFact, PaymentProfileChanged, ProjectChanged
from schemas.records import DeadLetterReason
from tests.unit.schemas.building import PROFILE, PROJECT, binary, fact, record, refusal, structured

FACTS: list[tuple[type[AnyFact], dict[str, Any]]] = [(ProjectChanged, PROJECT), (PaymentProfileChanged, PROFILE)]
EACH_FACT = pytest.mark.parametrize(("model", "data"), FACTS)


def _invalid(model: type[AnyFact], data: Any) -> str:
    unanswerable = refusal(lambda: fact(structured(model.__name__, data), model))
    assert unanswerable.reason is DeadLetterReason.INVALID_FACT
    return unanswerable.detail


@EACH_FACT
@pytest.mark.parametrize("mode", (structured, binary))
def test_a_fact_is_read(mode: Any, model: type[AnyFact], data: dict[str, Any]) -> None:
    assert fact(mode(model.__name__, data), model).fact == model.model_validate(data)


def test_every_member() -> None:
    said = PROJECT | {"uid": "u-1", "displayName": "cafe\u0301"}
    project = fact(structured("ProjectChanged", said), ProjectChanged).fact
    assert project == ProjectChanged(
        organization="acme", project="p1", state="Active", version=1, uid="u-1", display_name="caf\u00e9"
    )
    said = PROFILE | {"reference": "tok", "country": "DE", "expiresAt": "2030-01-31T23:59:59+01:00", "reason": "new"}
    profile = fact(structured("PaymentProfileChanged", said), PaymentProfileChanged).fact
    assert profile == PaymentProfileChanged(
        organization="acme", payment_profile="card-1", kind="CreditCard", state="Valid", version=1, reference="tok",
        country="DE", expires_at=datetime(2030, 1, 31, 22, 59, 59, tzinfo=UTC), reason="new",
    )  # fmt: skip


@EACH_FACT
def test_members_that_a_later_producer_adds_are_ignored(model: type[AnyFact], data: dict[str, Any]) -> None:
    added = {"labels": {"tier": "gold"}, "display_name": "x", "": None, "payment_profile": 7, "weight": 1e300}
    assert fact(structured(model.__name__, data | added), model).fact == model.model_validate(data)


@EACH_FACT
def test_null_is_absence_of_an_optional_member_and_invalid_for_a_required_one(
    model: type[AnyFact], data: dict[str, Any]
) -> None:
    optional = {"uid", "displayName"} if model is ProjectChanged else {"reference", "country", "expiresAt", "reason"}
    assert fact(structured(model.__name__, data | dict.fromkeys(optional)), model).fact == model.model_validate(data)
    for member in data:
        assert _invalid(model, data | {member: None}).startswith(f"/{member}: ")
        assert _invalid(model, {k: v for k, v in data.items() if k != member}) == f"/{member}: is required"


PROJECT_REFUSED: dict[str, list[Any]] = {
    "state": ["Suspended", "deleted", "", 1, "Deleted\n"],
    "version": [0, -1, 1.5, 1.0, "2", True, 2**63, 10**30],
    "project": ["P1", "", "p_1", 1],
    "organization": ["ACME", "", 1],
    "uid": ["u\x01", "x" * 501, 7, ""],
    "displayName": ["a\x07b", "x" * 501, 7],
}
PROFILE_REFUSED: dict[str, list[Any]] = {
    "state": ["valid", "Active"],
    "kind": ["Cheque", "creditCard"],
    "version": [0, "2", True],
    "paymentProfile": ["Card-1", ""],
    "country": ["USA", "UK", "de"],
    "expiresAt": ["2030-01-01", "2030-01-01T00:00:00", 1893456000],
    "reference": ["x" * 501],
    "reason": ["a\u202eb"],
}


@pytest.mark.parametrize(("member", "value"), [(m, v) for m, values in PROJECT_REFUSED.items() for v in values])
def test_projects_that_cannot_be_meant(member: str, value: object) -> None:
    detail = _invalid(ProjectChanged, PROJECT | {member: value})
    assert detail.startswith(f"/{member}: ")
    assert len(detail) < 200


@pytest.mark.parametrize(("member", "value"), [(m, v) for m, values in PROFILE_REFUSED.items() for v in values])
def test_profiles_that_cannot_be_meant(member: str, value: object) -> None:
    assert _invalid(PaymentProfileChanged, PROFILE | {member: value}).startswith(f"/{member}: ")


@EACH_FACT
@pytest.mark.parametrize("data_said", (None, [], "x", 7, True))
def test_data_that_is_no_object(model: type[AnyFact], data: dict[str, Any], data_said: object) -> None:
    assert _invalid(model, data_said).startswith("data must be an object and is ")


@EACH_FACT
def test_another_version_is_not_supported(model: type[AnyFact], data: dict[str, Any]) -> None:
    for version in ("v2", "v0", "v10", "v01"):
        type_ = f"io.milo.billing.{model.__name__}.{version}"
        unanswerable = refusal(lambda type_=type_: fact(structured(type_, data), model))  # type: ignore[misc]
        assert unanswerable.reason is DeadLetterReason.UNSUPPORTED_VERSION


@EACH_FACT
@pytest.mark.parametrize(
    "type_",
    (
        "io.milo.billing.ProjectRenamed.v1", "io.milo.billing.BindProject.v1", "io.milo.billing.projectChanged.v1",
        "io.milo.billing.ProjectChanged", "io.milo.billing.ProjectChanged.v", "io.milo.billing.ProjectChanged.vx",
        "com.example.ProjectChanged.v1", "ioxmilo.billing.ProjectChanged.v1", "io.milo.billing.ProjectChanged.v1.v1",
        "io.milo.billing.ProjectChanged.v\u0661", "x",
    ),
)  # fmt: skip
def test_another_type_is_unknown(model: type[AnyFact], data: dict[str, Any], type_: str) -> None:
    assert refusal(lambda: fact(structured(type_, data), model)).reason is DeadLetterReason.UNKNOWN_TYPE


def test_a_fact_on_the_other_topic_is_unknown() -> None:
    assert refusal(lambda: fact(structured("ProjectChanged", PROJECT), PaymentProfileChanged)).reason == "UnknownType"
    assert refusal(lambda: fact(structured("PaymentProfileChanged", PROFILE), ProjectChanged)).reason == "UnknownType"


@EACH_FACT
def test_not_cloudevents(model: type[AnyFact], data: dict[str, Any]) -> None:
    for missing in ("specversion", "id", "source", "type"):
        unanswerable = refusal(lambda missing=missing: fact(structured(model.__name__, data, **{missing: None}), model))  # type: ignore[misc]
        assert unanswerable.reason is DeadLetterReason.MISSING_ATTRIBUTE
    unanswerable = refusal(lambda: fact(structured(model.__name__, data, specversion="2.0"), model))
    assert unanswerable.reason is DeadLetterReason.UNSUPPORTED_VERSION
    assert refusal(lambda: fact(record(b"hello"), model)).reason is DeadLetterReason.UNDECODABLE
